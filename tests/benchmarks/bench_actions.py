"""Actions over 100,000 of 1,000,000 leads, over HTTP."""

from __future__ import annotations

import tempfile
from pathlib import Path

from table import ROOT, Caller, sandbox, seconds_of, show

LEADS = 100_000


def main() -> None:
    """Print the tables."""
    print("Actions over 100,000 of 1,000,000 leads, in memory")
    with sandbox("--size", "1000000") as caller:
        measure(caller)
    with tempfile.TemporaryDirectory() as folder:
        print("Actions over 100,000 of 1,000,000 leads, in a state file")
        with sandbox("--size", "1000000", "--state", str(Path(folder) / "state.db")) as caller:
            measure(caller)


def measure(caller: Caller) -> None:
    """Carry out each action once, on leads that the one before has left."""
    ids = _lead_ids(caller)
    group = caller.ask("GET", f"{ROOT}/dialGroups")[1]["dialGroupId"]
    campaign = caller.ask("GET", f"{ROOT}/dialGroups/{group}/campaigns")[0]["campaignId"]
    move = {
        "CAMPAIGN_ID": str(campaign),
        "LIST_ID": "0",
        "LIST_NAME": "Moved",
        "CREATE_COPY_SETTING": "false",
        "DUPLICATE_ACTION_SETTING": "MOVE",
    }
    actions: dict[str, dict[str, object]] = {
        "EMAIL_LEADS": {"EMAIL_TO": "a@example.com"},
        "CANCEL_LEADS": {},
        "MOVE_TO_CAMPAIGN": move,
        "DELETE_LEADS": {},
    }
    for action, params in actions.items():
        results = []
        seconds = seconds_of(lambda a=action, p=params, r=results: r.append(caller.act(a, ids, **p)))
        changed = max(results[0]["leadUpdateCount"], results[0]["leadDeleteCount"])
        show(action, seconds, "goal about 1 s", f"{changed:,} leads changed")


def _lead_ids(caller: Caller) -> list[int]:
    """Return the ids of the account's first leads."""
    ids: list[int] = []
    while len(ids) < LEADS:
        page = len(ids) // 5000
        ids += [lead["leadId"] for lead in caller.search(f"maxRows=5000&page={page}")]
    return ids


if __name__ == "__main__":
    main()
