"""Client for RingCX. It does not depend on Airflow and can be used in a notebook.

The names in ``__all__`` are the public API, with :mod:`.criteria`, :mod:`.exceptions` and :mod:`.spec`; all
other modules are internal. Submodules are imported when a name is first used.

Docstrings name the source of each fact about the service: *guide* is RingCentral's Lead Actions and Lead
Search guides, *contract* its published OpenAPI document, *observed* the behaviour of public programs that use
the service.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult
    from airflow_provider_engagevoice.ringcx.campaigns import Account, Campaign, LeadList
    from airflow_provider_engagevoice.ringcx.client import RingCXClient
    from airflow_provider_engagevoice.ringcx.criteria import LeadSearchCriteria
    from airflow_provider_engagevoice.ringcx.exceptions import (
        AccessDenied,
        ActionRejected,
        AuthenticationError,
        CampaignAmbiguous,
        CampaignNotFound,
        Cancelled,
        CannotConnect,
        EngageVoiceError,
        InvalidCriteria,
        InvalidParameter,
        InvalidRequest,
        LeadsChanged,
        LeadsExist,
        LoadedTwice,
        NoLeadsMatched,
        NotFound,
        OutcomeUnknown,
        PermanentError,
        PlanApplied,
        PlanExpired,
        PlanMismatch,
        PlanRefused,
        PlanTampered,
        PlanVersion,
        RateLimited,
        RowsRejected,
        ServiceUnavailable,
        SourceChanged,
        SourceRejected,
        SyncInProgress,
        TooManyLeads,
        TransientError,
        UnexpectedResponse,
        UnsafePlan,
        VerificationFailed,
    )
    from airflow_provider_engagevoice.ringcx.export.exporter import ExportResult
    from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
    from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
    from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions, UpdateOptions
    from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
    from airflow_provider_engagevoice.ringcx.sync.result import SyncResult

__all__ = [
    "AccessDenied",
    "Account",
    "ActionRejected",
    "ActionResult",
    "AuthenticationError",
    "Campaign",
    "CampaignAmbiguous",
    "CampaignNotFound",
    "Cancelled",
    "CannotConnect",
    "EngageVoiceError",
    "ExportResult",
    "InvalidCriteria",
    "InvalidParameter",
    "InvalidRequest",
    "LeadList",
    "LeadRows",
    "LeadSearchCriteria",
    "LeadsChanged",
    "LeadsExist",
    "LoadOptions",
    "LoadResult",
    "LoadedTwice",
    "NoLeadsMatched",
    "NotFound",
    "OutcomeUnknown",
    "PermanentError",
    "PlanApplied",
    "PlanExpired",
    "PlanMismatch",
    "PlanRefused",
    "PlanTampered",
    "PlanVersion",
    "RateLimited",
    "RingCXClient",
    "RowsRejected",
    "ServiceUnavailable",
    "SourceChanged",
    "SourceRejected",
    "SyncInProgress",
    "SyncOptions",
    "SyncResult",
    "TooManyLeads",
    "TransientError",
    "UnexpectedResponse",
    "UnsafePlan",
    "UpdateOptions",
    "VerificationFailed",
]

#: Module of each public name; all others are in ``exceptions``.
_MODULES = {
    "Account": "campaigns",
    "ActionResult": "bulk.action",
    "Campaign": "campaigns",
    "ExportResult": "export.exporter",
    "LeadList": "campaigns",
    "LeadRows": "loading.lead_rows",
    "LeadSearchCriteria": "criteria",
    "LoadOptions": "loading.options",
    "LoadResult": "loading.lead_load",
    "RingCXClient": "client",
    "SyncOptions": "sync.options",
    "SyncResult": "sync.result",
    "UpdateOptions": "loading.options",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'exceptions')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
