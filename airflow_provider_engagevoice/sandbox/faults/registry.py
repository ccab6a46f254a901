"""Registry of fault kinds by name. Each kind is a class whose fields are its options."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_engagevoice.sandbox.faults.base import Fault
from airflow_provider_engagevoice.sandbox.faults.behavior import (
    Dialer,
    Meanwhile,
    PageBase,
    ShortPage,
    Slow,
    Stale,
)
from airflow_provider_engagevoice.sandbox.faults.connection import Drop, Hang
from airflow_provider_engagevoice.sandbox.faults.responses import (
    Answer,
    Expired,
    FailedLoad,
    Html,
    RateLimited,
    Rejected,
    Status,
)

FAULT_KINDS: Mapping[str, type[Fault]] = {
    "drop": Drop,
    "hang": Hang,
    "status": Status,
    "rate_limited": RateLimited,
    "html": Html,
    "rejected": Rejected,
    "load_failed": FailedLoad,
    "expired": Expired,
    "answer": Answer,
    "slow": Slow,
    "stale": Stale,
    "short_page": ShortPage,
    "page_base": PageBase,
    "dialer": Dialer,
    "meanwhile": Meanwhile,
}

HTTP_FAULT_KINDS = tuple(name for name, fault_class in FAULT_KINDS.items() if fault_class is not Meanwhile)
"""Kinds that can be set over HTTP and in the CLI; their options are JSON values, not functions."""
