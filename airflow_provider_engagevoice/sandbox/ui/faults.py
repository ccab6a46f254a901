"""The form by which the sandbox's page sets faults: its fields, and the faults that are ready to click."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.sandbox.api.routes import names
from airflow_provider_engagevoice.sandbox.faults.base import Fault
from airflow_provider_engagevoice.sandbox.faults.registry import FROM_OUTSIDE, KINDS
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean
from airflow_provider_engagevoice.sandbox.state.fault_rules import Rule

_MOMENTS = ("before", "after")


@dataclass(frozen=True)
class Input:
    """One field of the form.

    :param name: what it is posted as.
    :param hint: the type of its value.
    :param value: what it holds at first.
    :param choices: the values to choose from; empty where anything may be typed.
    """

    name: str
    hint: Any
    value: str
    choices: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """Type of its HTML element."""
        return "number" if {int, float} & set(_plain_types(self.hint)) else "text"


@dataclass(frozen=True)
class Preset:
    """A fault that one click sets.

    :param label: what the button says.
    :param asked: the fault.
    """

    label: str
    asked: Mapping[str, str]


PRESETS = (
    Preset(
        "Next action: dropped after it took effect",
        {"kind": "drop", "operation": "lead_action", "when": "after"},
    ),
    Preset("Next 3 requests: 429", {"kind": "rate_limited", "times": "3"}),
    Preset(
        "Token expires in mid-batch: 2nd action 401",
        {"kind": "expired", "operation": "lead_action", "at": "2"},
    ),
    Preset("Dialer takes 10 leads with each request", {"kind": "dialer", "leads": "10", "chance": "1"}),
    Preset("Next action: 503, not done", {"kind": "status", "operation": "lead_action", "status": "503"}),
    Preset("Next search: a web page with 200", {"kind": "html", "operation": "lead_search"}),
)
"""Each is posted as the form would post it."""

#: Of a rule's fields, those the form has, with the label of each.
RULE_LABELS = {
    "skip": "skips the first",
    "times": "times",
    "chance": "chance, 0 to 1",
    "at": "only requests no.",
    "start": "begins after (s)",
    "seconds": "lasts for (s)",
}


def operation_choices() -> list[str]:
    """Return what the form offers as operations; ``*`` is any."""
    return ["*", *sorted(names())]


def action_choices() -> list[str]:
    """Return what the form offers as lead actions."""
    return list(ACTIONS)


def inputs(kind: str) -> list[Input]:
    """Return the form's fields for the options of one kind of fault."""
    cause = KINDS[kind]
    hints = _options(cause)
    return [
        Input(each.name, hints[each.name], _print(_default(each)), _MOMENTS if each.name == "when" else ())
        for each in fields(cause)
    ]


def rule_inputs() -> list[Input]:
    """Return the form's fields that say which requests meet the fault."""
    hints = get_type_hints(Rule, localns={"Fault": Fault})
    return [Input(name, hints[name], "") for name in RULE_LABELS]


def read_form(form: Mapping[str, str]) -> dict[str, Any]:
    """Make of a posted form what :func:`~airflow_provider_engagevoice.sandbox.server.control_api.set_fault` takes.

    :param form: the untrusted fields; an empty one leaves a value at its default.
    :return: the fault asked for.
    :raises ValueError: a value cannot be read; the message names it.
    """
    kind = form.get("kind", "")
    if kind not in FROM_OUTSIDE:
        raise ValueError(f"kind must be one of {', '.join(FROM_OUTSIDE)}, not {kind[:100]!r}")
    asked: dict[str, Any] = {"kind": kind}
    if form.get("operation"):
        asked["operation"] = form["operation"]
    if form.get("leadAction"):
        asked["where"] = {"leadAction": form["leadAction"]}
    for each in (*rule_inputs(), *inputs(kind)):
        if each.name in form:
            asked.update(_read(each, form[each.name]))
    return asked


def describe(rule: Mapping[str, Any]) -> str:
    """Write when a rule applies and what its options are, for people.

    :param rule: the rule as JSON has it.
    """
    return ", ".join(_parts(rule))


def _parts(rule: Mapping[str, Any]) -> Iterator[str]:
    """Write what a rule says besides its kind and its operation."""
    yield from (str(value) for value in rule["where"].values())
    for name in _options(KINDS[rule["kind"]]):
        if rule.get(name) not in ("", None, {}, [], _MOMENTS[0]):
            yield f"{name} {_print(rule[name])}"
    if rule["skip"]:
        yield f"after {rule['skip']} more"
    if rule["at"]:
        yield f"request no. {_print(rule['at'])}"
    if rule["chance"] is not None:
        yield "every time" if rule["chance"] == 1 else f"chance {rule['chance']:g}"
    if rule["seconds"] is not None:
        yield f"for {rule['seconds']:g} s"
    if rule["start"]:
        yield f"begins after {rule['start']:g} s"
    yield f"met {rule['met']}" if rule["times"] is None else f"met {rule['met']} of {rule['times']}"


def _options(cause: type[Fault]) -> dict[str, Any]:
    """Return the options of a kind of fault with their types."""
    hints = get_type_hints(cause)
    return {each.name: hints[each.name] for each in fields(cause)}


def _default(option: Any) -> Any:
    """Return the value an option has where nothing is said; None where it must be given."""
    if option.default_factory is not MISSING:
        return option.default_factory()
    return None if option.default is MISSING else option.default


def _read(field: Input, text: str) -> dict[str, Any]:
    """Read one field; return nothing where it is empty and must not be."""
    types = _plain_types(field.hint)
    if not text.strip():
        # What has a value unless emptied is None then, such as Retry-After.
        return {field.name: None} if type(None) in types and field.value else {}
    readers = [_READERS[kind] for kind in types if kind in _READERS]
    try:
        return {field.name: readers[0](text) if readers else text}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{field.name} cannot be {text[:100]!r}") from error


def _plain_types(hint: Any) -> tuple[Any, ...]:
    """Return the types a value may have, without what they hold."""
    each = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return tuple(get_origin(kind) or kind for kind in each)


def _read_object(text: str) -> dict[str, Any]:
    """Read a JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


_READERS: Mapping[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: read_boolean,
    list: lambda text: [int(part) for part in text.split(",")],
    dict: _read_object,
}


def _print(value: Any) -> str:
    """Write a value the way the form shows it, and reads it."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value) if isinstance(value, dict) else str(value)
