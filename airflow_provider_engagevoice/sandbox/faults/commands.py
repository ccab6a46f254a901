"""Validation and activation of a requested fault."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as short_repr
from typing import Any, cast

from airflow_provider_engagevoice.sandbox.api.routes import operation_names
from airflow_provider_engagevoice.sandbox.faults.base import Fault
from airflow_provider_engagevoice.sandbox.faults.rule_parser import parse_rule
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


def set_fault(sandbox: SandboxState, options: Mapping[str, Any], *, trusted: bool = False) -> dict[str, Any]:
    """Add a fault rule.

    :param sandbox: the sandbox.
    :param options: kind of the fault, options of the rule and options of the fault.
    :param trusted: whether the request comes from Python, so that an option may be a function.
    :return: the rule that was added.
    :raises ValueError: if an option is missing, unknown or invalid; the message names it.
    """
    rule = parse_rule(options, trusted=trusted)
    operations = operation_names()
    if rule.operation not in operations | {"*"}:
        raise ValueError(
            f"operation must be one of *, {', '.join(sorted(operations))}, not {short_repr(rule.operation)}"
        )
    cast("Fault", rule.fault).prepare(sandbox)
    sandbox.fault_rules.add(rule, sandbox.clock.now())
    return rule.as_dict()
