"""Benchmark of lead actions on 100,000 of 1,000,000 leads over HTTP."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.benchmarks.harness import ACCOUNT_PATH, ApiClient, print_row, run_sandbox

LEADS = 100_000


def main() -> None:
    """Print the tables."""
    print("Actions on 100,000 of 1,000,000 leads, in memory")
    with run_sandbox("--size", "1000000") as client:
        measure(client)
    with tempfile.TemporaryDirectory() as folder:
        print("Actions on 100,000 of 1,000,000 leads, in a state file")
        with run_sandbox("--size", "1000000", "--state", str(Path(folder) / "state.db")) as client:
            measure(client)


def measure(client: ApiClient) -> None:
    """Perform each action once on the same leads; the last one deletes them."""
    ids = _lead_ids(client)
    group = client.request("GET", f"{ACCOUNT_PATH}/dialGroups")[1]["dialGroupId"]
    campaign = client.request("GET", f"{ACCOUNT_PATH}/dialGroups/{group}/campaigns")[0]["campaignId"]
    move: dict[str, object] = {
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
        start = time.perf_counter()
        result = client.perform_action(action, ids, **params)
        seconds = time.perf_counter() - start
        changed = max(result["leadUpdateCount"], result["leadDeleteCount"])
        print_row(action, seconds, "goal about 1 s", f"{changed:,} leads changed")


def _lead_ids(client: ApiClient) -> list[int]:
    """Return the ids of the account's first leads."""
    ids: list[int] = []
    while len(ids) < LEADS:
        page = len(ids) // 5000
        ids += [lead["leadId"] for lead in client.search(f"maxRows=5000&page={page}")]
    return ids


if __name__ == "__main__":
    main()
