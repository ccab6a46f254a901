"""The ways in which a request can go wrong, by name. Each is a small class; its fields are its options."""

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

KINDS: Mapping[str, type[Fault]] = {
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

FROM_OUTSIDE = tuple(name for name, cause in KINDS.items() if cause is not Meanwhile)
"""Those that can be asked for from outside Python: without a function among their options."""
