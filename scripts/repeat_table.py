"""Write docs/repeats.md from the table of actions and the rule of repeats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.lead_actions import (
    ACTIONS,
    NEW_LIST,
    Action,
    Parameter,
    ParameterKind,
)
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind, RetryDecision

PAGE = Path(__file__).resolve().parent.parent / "docs" / "repeats.md"

HEAD = """# What is sent again, and what is not

Made by `scripts/repeat_table.py` from the table of actions (`airflow_provider_engagevoice/ringcx/spec/lead_actions.py`)
and the rule that the client itself asks (`airflow_provider_engagevoice/ringcx/transport/retry.py`). Each cell is
tested against the sandbox, for a request that was not done and for one that was.

## How a request fails

| it shows as | what that says | may have been done | another try may go better |
|---|---|---|---|
"""

WORDS = """
## What follows

| word | the failed request was not done | it was done |
|---|---|---|
| again | It is sent again, and then it is done. | It is sent again; done twice is done once. |
| unknown | The task fails once with `OutcomeUnknown`, and Airflow does not retry it. Nothing was done. | \
The same. It was done once. |
| looked up | A search finds leads in the source: `OutcomeUnknown`, as above. | All leads are in the new \
list: the task succeeds. |
| fails | The task fails with the error that says what happened; nothing was done. | The same. It was done \
once; to run it again does no harm. |

*Again* means up to five tries, and for 429 up to five minutes. Where that does not help the task fails with
`ServiceUnavailable` or `RateLimited`, and Airflow may retry it. *Fails* is `UnexpectedAnswer`,
`ActionRejected`, `AccessDenied` or the like, which Airflow does not retry, since it would be answered alike;
where the task itself came to its end, the error is Airflow's own.

A move can be *looked up* where the criteria name the campaigns that the leads come from (as
`source_campaign` does) and the target is none of them; else read *unknown*.

## Action by action

"""


@dataclass(frozen=True)
class Variant:
    """An action with those of its parameters on which its repeats depend.

    :param action: the action.
    :param params: the parameters; any list but a new one is ``"1"``.
    """

    action: Action
    params: Mapping[str, str]

    @property
    def label(self) -> str:
        """How it is called in the table."""
        return f"`{self.action.name}`" + "".join(f" {_say(*each)}" for each in self.params.items())

    def word(self, failure: FailureKind) -> str:
        """Say in one word what follows when it fails in this way."""
        step = failure.then(self.action.is_retry_safe(self.params))
        if step is RetryDecision.OUTCOME_UNKNOWN and self.action.is_reconcilable(self.params):
            return "looked up"
        return {
            RetryDecision.RETRY: "again",
            RetryDecision.OUTCOME_UNKNOWN: "unknown",
            RetryDecision.RAISE: "fails",
        }[step]


def variants() -> Iterator[Variant]:
    """Give all actions, each in as many variants as matter."""
    for action in ACTIONS.values():
        parameters = [
            p for p in action.parameters if p.name in {*action.unsafe_params, *action.reconcilable_params}
        ]
        for values in product(*(_values(parameter) for parameter in parameters)):
            yield Variant(action, dict(zip((p.name for p in parameters), values, strict=True)))


def columns() -> Iterator[tuple[str, FailureKind]]:
    """Give all ways to fail."""
    for failure in FailureKind:
        for way in failure.value.ways:
            yield way, failure


def page() -> str:
    """Make the page."""
    known = "".join(
        f"| {', '.join(f.value.ways)} | {f.value.help} | {_yes(f.maybe_done)} | {_yes(f.value.passing)} |\n"
        for f in FailureKind
    )
    head = [["action", *(way for way, _ in columns())], ["---"] * (1 + sum(1 for _ in columns()))]
    rows = [[each.label, *(each.word(failure) for _, failure in columns())] for each in variants()]
    table = "".join(f"| {' | '.join(row)} |\n" for row in head + rows)
    return HEAD + known + WORDS + table


def _values(parameter: Parameter) -> tuple[str, ...]:
    return parameter.choices if parameter.kind is ParameterKind.CHOICE else ("1", NEW_LIST)


def _say(name: str, value: str) -> str:
    if name == "LIST_ID":
        return "into a new list" if value == NEW_LIST else "into an existing list"
    return f"`{name}` {value}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


if __name__ == "__main__":
    PAGE.write_text(page())
