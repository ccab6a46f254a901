"""Tests of the reconciliation of a move whose outcome is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.attempts import AttemptCheckpoints
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown, PermanentError
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import FakeTaskStateStore, Killed, new_lists, start_attempt
from tests.support.clients import count_action_requests, make_client, move_params, perform_action
from tests.unit.ringcx.conftest import Move

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")


class KillsBeforeRequest(AttemptCheckpoints):
    """Checkpoints that kill the task before the first chunk is sent."""

    def save(self, number: int, checkpoint: Mapping[str, Any]) -> None:
        super().save(number, checkpoint)
        if checkpoint["in_flight"]:
            raise Killed


class KillsAfterRequest(AttemptCheckpoints):
    """Checkpoints that kill the task after RingCX has applied the first chunk."""

    def save(self, number: int, checkpoint: Mapping[str, Any]) -> None:
        if not checkpoint["in_flight"]:
            raise Killed
        super().save(number, checkpoint)


def drop_after(sandbox: SandboxServer, work: Callable[[], object]) -> None:
    """Drop the next lead action before it takes effect, and run ``work`` in the meantime."""
    sandbox.fault("meanwhile", work=work, operation="lead_action")
    sandbox.fault("drop", operation="lead_action")


def move_in_chunks(
    sandbox: SandboxServer, ids: list[int], checkpoints: CheckpointStore, copy: str = "false"
) -> ActionResult:
    """Move leads of "Spring Renewals" into a new list, two of them in each chunk."""
    spring, summer = (sandbox.campaign(name) for name in ("Spring Renewals", "Summer Win-Back"))
    selection = Selection({"campaignIds": [spring["campaignId"]], "leadIds": ids})
    params = move_params(summer, copy=copy)
    action = BulkAction.create("MOVE_TO_CAMPAIGN", selection, params, chunk_size=2)
    return make_client(sandbox.url).lead_actions().execute(action, checkpoints)


def test_reconcile_lost_response_is_success_if_leads_moved(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("drop", when="after", operation="lead_action")
    result = move({"leadIds": ids[:7]}, chunk_size=3)
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (7, 7, 3)
    assert list(new_lists(ringcx_sandbox).values()) == [7]
    assert count_action_requests(ringcx_sandbox) == 3


def test_reconcile_leads_gone_for_other_reasons_raises(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    """The dialer may take all READY leads although RingCX never received the move."""
    other = make_client(ringcx_sandbox.url)
    drop_after(ringcx_sandbox, lambda: perform_action(other, "PAUSE_LEADS", {"leadIds": ids}))
    with pytest.raises(OutcomeUnknown, match="0 in the new list"):
        move({"leadIds": ids[:3], "leadStates": ["READY"]})
    assert new_lists(ringcx_sandbox) == {}


@pytest.mark.parametrize("status", [503, 403])
def test_reconcile_failed_search_raises(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move, status: int
) -> None:
    ringcx_sandbox.fault("drop", when="after", operation="lead_action")
    ringcx_sandbox.fault("status", status=status, operation="lead_count", skip=1, chance=1)
    ringcx_sandbox.fault("status", status=status, operation="lead_search", chance=1)
    with pytest.raises(OutcomeUnknown) as caught:
        move({"leadIds": ids[:3]})
    assert isinstance(caught.value, PermanentError)


@pytest.mark.parametrize(("copy", "within"), [("true", False), ("TRANSITION", False), ("false", True)])
def test_reconcile_move_that_keeps_leads_in_source_raises(
    ringcx_sandbox: SandboxServer,
    ids: list[int],
    move: Move,
    summer: dict[str, Any],
    copy: str,
    within: bool,
) -> None:
    """Leads stay in the selection after a copy, or a move within the selected campaigns."""
    move({"leadIds": ids[:5]})  # an older list of the same name
    other = make_client(ringcx_sandbox.url)
    drop_after(ringcx_sandbox, lambda: perform_action(other, "PAUSE_LEADS", {"leadIds": ids[5:]}))
    spring_id = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    criteria: dict[str, Any] = {"leadIds": ids[5:8], "leadStates": ["READY"], "campaignIds": [spring_id]}
    if within:
        criteria["campaignIds"].append(summer["campaignId"])
    with pytest.raises(OutcomeUnknown):
        move(criteria, copy=copy)
    assert list(new_lists(ringcx_sandbox).values()) == [5]


def test_reconcile_move_that_was_not_applied_raises(
    ringcx_sandbox: SandboxServer, ids: list[int], move: Move
) -> None:
    ringcx_sandbox.fault("drop", operation="lead_action")
    expected = r"\(3 of 3 leads are still in the source, 0 in the new list\)"
    with pytest.raises(OutcomeUnknown, match=expected):
        move({"leadIds": ids[:3]})
    assert new_lists(ringcx_sandbox) == {}


@pytest.mark.parametrize("after_request", [False, True], ids=["before-request", "after-request"])
def test_reconcile_killed_move_resumes_without_a_duplicate(
    ringcx_sandbox: SandboxServer,
    ids: list[int],
    caplog: pytest.LogCaptureFixture,
    after_request: bool,
) -> None:
    """Leads that are still in the source are moved; leads that left it are looked for in the new list."""
    store = FakeTaskStateStore()
    kills = KillsAfterRequest if after_request else KillsBeforeRequest
    with pytest.raises(Killed):
        move_in_chunks(ringcx_sandbox, ids[:6], start_attempt(store, kind=kills))
    assert store.saved_checkpoint()["in_flight"] == {"0": 2}
    result = move_in_chunks(ringcx_sandbox, ids[:6], start_attempt(store, is_retry=True))
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (6, 6, 3)
    assert new_lists(ringcx_sandbox) == {result["list_id"]: 6}
    assert count_action_requests(ringcx_sandbox) == 3
    assert ("all 2 leads are in the new list: the move was applied" in caplog.text) is after_request


def test_reconcile_killed_copy_raises(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    """Copied leads stay in the source, so a count does not show if the request was applied."""
    store = FakeTaskStateStore()
    with pytest.raises(Killed):
        move_in_chunks(ringcx_sandbox, ids[:4], start_attempt(store, kind=KillsAfterRequest), copy="true")
    with pytest.raises(OutcomeUnknown, match="was interrupted in chunk 1 of 2 of MOVE_TO_CAMPAIGN"):
        move_in_chunks(ringcx_sandbox, ids[:4], start_attempt(store, is_retry=True), copy="true")
    assert count_action_requests(ringcx_sandbox) == 1
    assert list(new_lists(ringcx_sandbox).values()) == [2]
