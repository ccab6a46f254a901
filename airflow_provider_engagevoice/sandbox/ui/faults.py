"""Fault form of the dashboard: fields, presets, parsing and descriptions of fault rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.sandbox.api.routes import operation_names
from airflow_provider_engagevoice.sandbox.faults.base import Fault
from airflow_provider_engagevoice.sandbox.faults.registry import FAULT_KINDS, HTTP_FAULT_KINDS
from airflow_provider_engagevoice.sandbox.http.parsing import parse_boolean
from airflow_provider_engagevoice.sandbox.state.fault_rules import FaultRule

_WHEN_CHOICES = ("before", "after")


@dataclass(frozen=True)
class Input:
    """A field of the form.

    :param name: its name in the posted form.
    :param hint: the type of its value.
    :param value: its initial value.
    :param choices: the values to choose from; empty for free text.
    """

    name: str
    hint: Any
    value: str
    choices: tuple[str, ...] = ()

    @property
    def type(self) -> str:
        """The ``type`` of its HTML input element."""
        return "number" if {int, float} & set(_plain_types(self.hint)) else "text"


@dataclass(frozen=True)
class Preset:
    """A fault that is set by one click.

    :param label: label of the button.
    :param fields: the form fields that set the fault.
    """

    label: str
    fields: Mapping[str, str]


PRESETS = (
    Preset(
        "Next action: applied, then connection dropped",
        {"kind": "drop", "operation": "lead_action", "when": "after"},
    ),
    Preset("Next 3 requests: 429", {"kind": "rate_limited", "times": "3"}),
    Preset(
        "Token expires mid-batch: 401 for the 2nd action",
        {"kind": "expired", "operation": "lead_action", "at": "2"},
    ),
    Preset("Dialer takes 10 leads at each request", {"kind": "dialer", "leads": "10", "chance": "1"}),
    Preset("Next action: 503, not applied", {"kind": "status", "operation": "lead_action", "status": "503"}),
    Preset("Next search: web page with status 200", {"kind": "html", "operation": "lead_search"}),
)
"""Presets; the fields of each are posted like those of the form."""

#: Fields of a fault rule that the form offers, with their labels.
RULE_LABELS = {
    "skip": "Skip first N",
    "times": "Times",
    "chance": "Chance, 0 to 1",
    "at": "Only requests #",
    "start": "Starts after (s)",
    "seconds": "Lasts for (s)",
}


def operation_choices() -> list[str]:
    """Return the operations that the form offers; ``*`` means any."""
    return ["*", *sorted(operation_names())]


def action_choices() -> list[str]:
    """Return the lead actions that the form offers."""
    return list(ACTIONS)


def inputs(kind: str) -> list[Input]:
    """Return the form fields of a fault kind's options."""
    fault_class = FAULT_KINDS[kind]
    hints = _options(fault_class)
    return [
        Input(
            option.name,
            hints[option.name],
            _format(_default(option)),
            _WHEN_CHOICES if option.name == "when" else (),
        )
        for option in fields(fault_class)
    ]


def rule_inputs() -> list[Input]:
    """Return the form fields that select the requests a fault applies to."""
    hints = get_type_hints(FaultRule, localns={"Fault": Fault})
    return [Input(name, hints[name], "") for name in RULE_LABELS]


def parse_form(form: Mapping[str, str]) -> dict[str, Any]:
    """Convert a posted form to the settings of a fault rule.

    :param form: the untrusted form fields; an empty field means the default.
    :return: the settings for :func:`~airflow_provider_engagevoice.sandbox.faults.commands.set_fault`.
    :raises ValueError: if a value cannot be parsed; the message names it.
    """
    kind = form.get("kind", "")
    if kind not in HTTP_FAULT_KINDS:
        raise ValueError(f"kind must be one of {', '.join(HTTP_FAULT_KINDS)}, not {kind[:100]!r}")
    settings: dict[str, Any] = {"kind": kind}
    if form.get("operation"):
        settings["operation"] = form["operation"]
    if form.get("leadAction"):
        settings["where"] = {"leadAction": form["leadAction"]}
    for field in (*rule_inputs(), *inputs(kind)):
        if field.name in form:
            settings.update(_parse(field, form[field.name]))
    return settings


def describe(rule: Mapping[str, Any]) -> str:
    """Return a readable description of a rule's conditions and options.

    :param rule: the rule in its JSON form.
    """
    return ", ".join(_parts(rule))


def _parts(rule: Mapping[str, Any]) -> Iterator[str]:
    """Yield the parts of a rule's description, without its kind and operation."""
    yield from (str(value) for value in rule["where"].values())
    for name in _options(FAULT_KINDS[rule["kind"]]):
        if rule.get(name) not in ("", None, {}, [], _WHEN_CHOICES[0]):
            yield f"{name} {_format(rule[name])}"
    if rule["skip"]:
        yield f"skip first {rule['skip']}"
    if rule["at"]:
        yield "only requests " + ", ".join(f"#{number}" for number in rule["at"])
    if rule["chance"] is not None:
        yield "every time" if rule["chance"] == 1 else f"chance {rule['chance']:g}"
    if rule["seconds"] is not None:
        yield f"for {rule['seconds']:g} s"
    if rule["start"]:
        yield f"starts after {rule['start']:g} s"
    yield f"triggered {rule['met']}" + ("" if rule["times"] is None else f" of {rule['times']}")


def _options(fault_class: type[Fault]) -> dict[str, Any]:
    """Return the options of a fault class with their types."""
    hints = get_type_hints(fault_class)
    return {option.name: hints[option.name] for option in fields(fault_class)}


def _default(option: Any) -> Any:
    """Return the default of an option; None if it is required."""
    if option.default_factory is not MISSING:
        return option.default_factory()
    return None if option.default is MISSING else option.default


def _parse(field: Input, text: str) -> dict[str, Any]:
    """Parse one field; return an empty mapping if it is left at its default."""
    types = _plain_types(field.hint)
    if not text.strip():
        # An optional field with a default, such as retry_after, is cleared to None.
        return {field.name: None} if type(None) in types and field.value else {}
    parsers = [_PARSERS[kind] for kind in types if kind in _PARSERS]
    try:
        return {field.name: parsers[0](text) if parsers else text}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{field.name} has the invalid value {text[:100]!r}") from error


def _plain_types(hint: Any) -> tuple[Any, ...]:
    """Return the types of a type hint, without their type arguments."""
    alternatives = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return tuple(get_origin(each) or each for each in alternatives)


def _parse_json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


_PARSERS: Mapping[Any, Callable[[str], Any]] = {
    int: int,
    float: float,
    bool: parse_boolean,
    list: lambda text: [int(part) for part in text.split(",")],
    dict: _parse_json_object,
}


def _format(value: Any) -> str:
    """Format a value as the form displays and parses it."""
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value) if isinstance(value, dict) else str(value)
