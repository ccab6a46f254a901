"""Public API: ``__all__`` of each public module, and what importing it loads."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

PACKAGE = "airflow_provider_engagevoice"
PUBLIC = {
    "hooks.engagevoice": ["EngageVoiceHook", "no_retry_on_permanent_errors"],
    "operators.export": ["ExportLeadsOperator"],
    "operators.leads": ["EmailLeadsOperator", "LeadActionOperator", "MoveLeadsOperator"],
    "operators.load": ["LoadLeadsOperator", "UpdateLeadsOperator"],
    "operators.sync": ["ApplySyncOperator", "PlanSyncOperator", "SyncLeadsOperator"],
    "transfers.sql_to_engagevoice": ["SqlToEngageVoiceOperator"],
    "sensors.campaigns": ["CampaignLookupSensor"],
    "sensors.leads": ["LeadCountSensor"],
    "triggers.campaigns": ["CampaignLookupTrigger"],
    "triggers.leads": ["LeadCountTrigger"],
    "sandbox": ["SandboxServer", "Settings"],
    "ringcx.criteria": ["LeadSearchCriteria"],
    "ringcx.exceptions": [
        "AccessDenied",
        "ActionRejected",
        "AuthenticationError",
        "CampaignAmbiguous",
        "CampaignNotFound",
        "Cancelled",
        "CannotConnect",
        "EngageVoiceError",
        "InvalidCriteria",
        "InvalidParameter",
        "InvalidRequest",
        "LeadsChanged",
        "LeadsExist",
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
        "RowsRejected",
        "ServiceUnavailable",
        "SourceChanged",
        "SourceRejected",
        "SyncInProgress",
        "TooManyLeads",
        "TransientError",
        "UnexpectedResponse",
        "UnsafePlan",
        "VerificationFailed",
    ],
}
PUBLIC["ringcx"] = sorted(
    [
        *PUBLIC["ringcx.criteria"],
        *PUBLIC["ringcx.exceptions"],
        "Account",
        "ActionResult",
        "Campaign",
        "ExportResult",
        "LeadList",
        "LeadRows",
        "LoadOptions",
        "LoadResult",
        "RingCXClient",
        "SyncOptions",
        "SyncResult",
        "UpdateOptions",
    ]
)


@pytest.mark.parametrize("module", PUBLIC)
def test_all_lists_exactly_the_public_names(module: str) -> None:
    assert importlib.import_module(f"{PACKAGE}.{module}").__all__ == PUBLIC[module]


@pytest.mark.parametrize("module", PUBLIC)
def test_all_names_resolve(module: str) -> None:
    loaded = importlib.import_module(f"{PACKAGE}.{module}")
    for name in loaded.__all__:
        assert getattr(loaded, name).__name__ == name
        assert name in dir(loaded)


@pytest.mark.parametrize("module", ["ringcx", "sandbox"])
def test_unknown_name_raises_attribute_error(module: str) -> None:
    loaded = importlib.import_module(f"{PACKAGE}.{module}")
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = loaded.Nothing


@pytest.mark.parametrize("module", ["ringcx", "sandbox"])
def test_importing_a_lazy_package_loads_no_submodule(module: str) -> None:
    code = (
        f"import sys, {PACKAGE}.{module};"
        f"print([name for name in sys.modules if name.startswith('{PACKAGE}.{module}.')])"
    )
    path = os.pathsep.join(filter(None, sys.path))
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.strip() == "[]"
