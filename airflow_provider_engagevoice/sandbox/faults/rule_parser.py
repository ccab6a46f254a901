"""Parser of fault rules, which checks options by the types of the dataclass fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from reprlib import repr as short_repr
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from airflow_provider_engagevoice.sandbox.faults.base import Fault
from airflow_provider_engagevoice.sandbox.faults.registry import FAULT_KINDS, HTTP_FAULT_KINDS
from airflow_provider_engagevoice.sandbox.state.fault_rules import FaultRule


def parse_rule(settings: Mapping[str, Any], *, trusted: bool = False) -> FaultRule:
    """Parse a fault rule.

    :param settings: ``kind``, the fields of :class:`FaultRule`, and the options of that kind of fault.
    :param trusted: whether the rule is set in Python, where an option may be a function.
    :return: the rule.
    :raises ValueError: if an entry is missing, unknown or invalid; the message names it.
    """
    kind = settings.get("kind")
    kinds = tuple(FAULT_KINDS) if trusted else HTTP_FAULT_KINDS
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {short_repr(kind)}")
    fault_class = FAULT_KINDS[kind]
    options = {option.name: option for option in fields(fault_class)}
    known = {each.name for each in fields(FaultRule)} - {"fault", "seen", "met"} | set(options)
    unknown = sorted(set(settings) - known)
    if unknown:
        raise ValueError(f"unknown option {unknown[0]:.100} of {kind}; use one of {', '.join(sorted(known))}")
    missing = [name for name, option in options.items() if name not in settings and _is_required(option)]
    if missing:
        raise ValueError(f"{kind} requires the option {missing[0]}")
    for owner in (FaultRule, fault_class):
        _check_types(owner, settings)
    fault = fault_class(**{name: value for name, value in settings.items() if name in options})
    return FaultRule(fault=fault, **{name: value for name, value in settings.items() if name not in options})


def _is_required(option: Any) -> bool:
    """Return whether an option has no default."""
    return option.default is MISSING and option.default_factory is MISSING


def _check_types(owner: type, settings: Mapping[str, Any]) -> None:
    """Raise ValueError if a value does not have the type of its field."""
    for name, hint in get_type_hints(owner, localns={"Fault": Fault}).items():
        if name in settings and not _has_type(settings[name], hint):
            expected = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
            raise ValueError(f"{name} must be {expected}, not {short_repr(settings[name])}")


def _has_type(value: object, hint: Any) -> bool:
    """Return whether a value and its items have a type; an int is accepted as float."""
    if isinstance(hint, UnionType):
        return any(_has_type(value, each) for each in get_args(hint))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    container = get_origin(hint) or hint
    if container is Callable:
        return callable(value)
    if not isinstance(value, container):
        return False
    items = get_args(hint)
    if items and isinstance(value, dict):
        return all(_has_type(name, items[0]) and _has_type(item, items[1]) for name, item in value.items())
    return not items or not isinstance(value, list) or all(_has_type(item, items[0]) for item in value)
