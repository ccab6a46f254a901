"""Registry of fault kinds."""

from __future__ import annotations

from dataclasses import fields

from airflow_provider_engagevoice.sandbox.faults.registry import FAULT_KINDS
from airflow_provider_engagevoice.sandbox.state.fault_rules import FaultRule


def test_fault_option_names_differ_from_rule_fields() -> None:
    rule_fields = {each.name for each in fields(FaultRule)}
    assert {
        kind: rule_fields & {each.name for each in fields(fault_class)}
        for kind, fault_class in FAULT_KINDS.items()
    } == {kind: set() for kind in FAULT_KINDS}
