"""MANUAL_LEADS: manually added passes."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import (
    MANUAL,
    Row,
    action_counts,
    by_ids,
    in_state,
    is_recent,
    move_params,
    reload_leads,
)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "READY"),
        ({"REQUEUE": "false"}, "COMPLETE"),
        ({"DO_NOT_CALL": "TRUE"}, "DO-NOT-CALL"),
        ({"DO_NOT_CALL": True, "REQUEUE": False}, "DO-NOT-CALL"),
    ],
)
@pytest.mark.assumption(30)
def test_manual_leads_adds_pass_and_sets_state(
    sandbox: SandboxServer, api: Any, leads: list[Row], changes: Row, state: str
) -> None:
    params = {**MANUAL, "PASS_DELAY": "90", **changes}
    result = api.act("MANUAL_LEADS", by_ids(leads), **params)
    assert action_counts(result) == (True, len(leads), 0, 0, False)
    requeued = str(params["REQUEUE"]).lower() == "true"
    for old, new in zip(leads, reload_leads(sandbox, leads), strict=True):
        assert new["leadPasses"] == old["leadPasses"] + 1
        assert (new["leadState"], new["agentDispostion"]) == (state, "Left Voicemail")
        assert new["lastPassDispo"] == new["lastPassDisposition"] == "MANUAL_PASS"
        assert is_recent(new["lastPassDts"])
        assert is_recent(new["nextDialTime"], 90) if requeued else new["nextDialTime"] == old["nextDialTime"]


@pytest.mark.assumption(30)
def test_manual_leads_repeated_adds_pass_each_time(
    sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
    for _ in range(2):
        api.act("MANUAL_LEADS", by_ids(leads[:1]), **MANUAL)
    assert reload_leads(sandbox, leads[:1])[0]["leadPasses"] == leads[0]["leadPasses"] + 2


@pytest.mark.parametrize(("merge", "passes"), [(True, 1), (False, 0)])
def test_manual_leads_merge_original_updates_original(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row, merge: bool, passes: int
) -> None:
    newest = max(lead["leadId"] for lead in sandbox.leads())
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:1]), **move_params(summer, CREATE_COPY_SETTING="true"))
    (copy,) = [lead for lead in sandbox.leads() if lead["leadId"] > newest]
    result = api.act("MANUAL_LEADS", by_ids([copy]), **{**MANUAL, "MERGE_ORIGINAL": merge})
    assert result["leadUpdateCount"] == 1
    original = reload_leads(sandbox, leads[:1])[0]
    assert original["leadPasses"] == leads[0]["leadPasses"] + passes
    assert original["leadState"] == leads[0]["leadState"]


def test_manual_leads_copy_and_original_count_once_each(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:1]), **move_params(summer, CREATE_COPY_SETTING="true"))
    both = [lead for lead in sandbox.leads() if lead["externId"] == leads[0]["externId"]]
    result = api.act("MANUAL_LEADS", by_ids(both), **{**MANUAL, "MERGE_ORIGINAL": True})
    assert result["leadUpdateCount"] == len(both) > 1
    assert [row["leadPasses"] for row in reload_leads(sandbox, both)] == [
        row["leadPasses"] + 1 for row in both
    ]


@pytest.mark.assumption(31)
def test_manual_leads_at_max_passes_stays_ready(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    (spent,) = in_state(leads, "MAX-DIAL-LIMIT")[:1]
    api.act("MANUAL_LEADS", by_ids([spent]), **MANUAL)
    (row,) = reload_leads(sandbox, [spent])
    assert row["leadPasses"] == row["maxPasses"] + 1
    assert row["leadState"] == "READY"
    sandbox.fault("dialer", operation="lead_search", leads=2000)
    assert api.lead(spent["leadId"])["leadState"] == "READY"
