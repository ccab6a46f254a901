"""Makes requests go wrong, as the rules say that somebody has set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from functools import partial
from reprlib import repr as shown
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from starlette.responses import Response

from airflow_provider_engagevoice.sandbox.faults.base import Fault, Proceed
from airflow_provider_engagevoice.sandbox.faults.registry import FROM_OUTSIDE, KINDS
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, Handler, carry_out
from airflow_provider_engagevoice.sandbox.state.fault_rules import Rule
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


def read_rule(asked: Mapping[str, Any], *, trusted: bool = False) -> Rule:
    """Make a rule of what somebody asks for.

    :param asked: ``kind``, the fields of :class:`Rule`, and the options of that kind of fault.
    :param trusted: asked in Python, where an option may be a function.
    :return: the rule.
    :raises ValueError: an entry is missing, unknown or wrong; the message names it.
    """
    kind = asked.get("kind")
    kinds = tuple(KINDS) if trusted else FROM_OUTSIDE
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"kind must be one of {', '.join(kinds)}, not {shown(kind)}")
    cause = KINDS[kind]
    options = {each.name: each for each in fields(cause)}
    known = {each.name for each in fields(Rule)} - {"fault", "seen", "met"} | set(options)
    unknown = sorted(set(asked) - known)
    if unknown:
        raise ValueError(f"{unknown[0]:.100} is no option of {kind}; there are {', '.join(sorted(known))}")
    missing = [name for name, each in options.items() if name not in asked and _is_required(each)]
    if missing:
        raise ValueError(f"{kind} needs {missing[0]}")
    for owner in (Rule, cause):
        _check_types(owner, asked)
    fault = cause(**{name: value for name, value in asked.items() if name in options})
    return Rule(fault=fault, **{name: value for name, value in asked.items() if name not in options})


def _is_required(option: Any) -> bool:
    """Tell whether an option has no default."""
    return option.default is MISSING and option.default_factory is MISSING


def _check_types(owner: type, asked: Mapping[str, Any]) -> None:
    """Refuse a value that is not of the type its field has."""
    for name, hint in get_type_hints(owner, localns={"Fault": Fault}).items():
        if name in asked and not _fits(asked[name], hint):
            wanted = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
            raise ValueError(f"{name} must be {wanted}, not {shown(asked[name])}")


def _fits(value: object, hint: Any) -> bool:
    """Tell whether a value is of a type, with all it holds; a whole number will do for any other."""
    if isinstance(hint, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    kind = get_origin(hint) or hint
    if kind is Callable:
        return callable(value)
    if not isinstance(value, kind):
        return False
    inside = get_args(hint)
    if inside and isinstance(value, dict):
        return all(_fits(name, inside[0]) and _fits(each, inside[1]) for name, each in value.items())
    return not inside or not isinstance(value, list) or all(_fits(each, inside[0]) for each in value)


def misbehaving(handler: Handler) -> Handler:
    """Put the faults that a request meets around a handler; the rule set first is the outermost."""

    def answer(service: Service, call: Call) -> Response:
        asked = {**call.captured, **call.query}
        met = service.rules.of(call.operation, asked, service.clock.now())
        if not met:
            return handler(service, call)
        call.notes["fault"] = ", ".join(rule.kind for rule in met)

        def proceed(inside: Service) -> Response:
            return carry_out(inside, handler, call)

        for rule in reversed(met):
            proceed = partial(_through, rule.fault, proceed, call)
        return proceed(service)

    return answer


def _through(fault: Fault, proceed: Proceed, call: Call, service: Service) -> Response:
    """Let one fault have its way."""
    return fault.around(proceed, service, call)
