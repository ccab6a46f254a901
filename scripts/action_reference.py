"""Write docs/lead-actions.md from the table of actions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS, Action, Parameter, ParameterKind

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lead-actions.md"

HEAD = """# The 13 lead actions

Made by `scripts/action_reference.py` from the one table that the operators check against
(`airflow_provider_engagevoice/ringcx/spec/lead_actions.py`).

*Sent again* says what happens when the answer to a request is lost (a time-out, a dropped connection, a
5xx) so that nobody knows whether RingCX has done it. Where a repeat does no harm the request is sent
again. Where it would (a second pass, a second mail, a second copy, a person called twice) the task
fails once with `OutcomeUnknown`, and Airflow does not retry it. A request that surely was not done (no
connection, 429) is always sent again. Every case: [repeats.md](repeats.md).

| action | what it does | sent again |
|---|---|---|
"""

PARAMETERS = """
## Parameters

| action | parameter | value | needed | meaning |
|---|---|---|---|---|
"""

FOOT = """
Numbers and booleans may be written as text. Moments may be datetimes or ISO text; without a time zone
they are taken as UTC.
"""

VALUES = {
    ParameterKind.ID: "id",
    ParameterKind.MINUTES: "whole number of minutes",
    ParameterKind.BOOLEAN: "true or false",
    ParameterKind.TEXT: "text",
    ParameterKind.DATETIME: "date and time",
    ParameterKind.ADDRESSES: "mail addresses",
}


def page() -> str:
    """Make the page."""
    actions = "".join(f"| `{a.name}` | {a.description} | {_repeat(a)} |\n" for a in ACTIONS.values())
    rows = "".join(_row(action, p) for action in ACTIONS.values() for p in action.parameters)
    return HEAD + actions + PARAMETERS + rows + FOOT


def _repeat(action: Action) -> str:
    if not action.retry_safe:
        return "no"
    if not action.unsafe_params:
        return "yes"
    return "yes, except with " + " or ".join(_harms(action))


def _harms(action: Action) -> Iterator[str]:
    for parameter in action.parameters:
        harmful = action.unsafe_params.get(parameter.name, frozenset())
        for value in sorted(harmful):
            as_written = next((choice for choice in parameter.choices if choice.upper() == value), value)
            yield f"`{parameter.name}` {as_written}"


def _row(action: Action, parameter: Parameter) -> str:
    value = ", ".join(parameter.choices) or VALUES[parameter.kind]
    needed = "yes" if parameter.required else "no"
    if parameter.only_with:
        needed += f", only with `{parameter.only_with[0]}` {parameter.only_with[1]}"
    return f"| `{action.name}` | `{parameter.name}` | {value} | {needed} | {parameter.description} |\n"


if __name__ == "__main__":
    PAGE.write_text(page())
