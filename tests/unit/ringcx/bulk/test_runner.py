"""Tests of the bulk runner: how it resumes, and how it handles rejected chunks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.auth.schemes import RingCentralJwtAuth
from airflow_provider_engagevoice.ringcx.bulk.attempts import AttemptCheckpoints
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit
from airflow_provider_engagevoice.ringcx.storage.base import LimitExceeded
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import (
    FakeTaskStateStore,
    Killed,
    LeadRows,
    added_passes,
    are_cancelled,
    execute_in_chunks,
    new_lists,
    start_attempt,
)
from tests.support.clients import count_action_requests, make_client, move_params, perform_action
from tests.unit.ringcx.bulk.conftest import NextAttempt


class KillingLimiter(RateLimiter):
    """Kills the task while a lead action waits for its slot.

    :param number: number of that lead action; 0 for none.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def _reserve(self, limit: RateLimit) -> float:
        if limit.operation == "lead_action":
            self._left -= 1
            if self._left == 0:
                raise Killed
        return 0.0


def execute_unlimited(
    ringcx: SandboxServer,
    ids: list[int],
    store: FakeTaskStateStore,
    *,
    is_retry: bool,
    kill_at: int = 0,
) -> Any:
    """Execute an action that retries requests and never waits for a slot; kill it at a lead action."""
    client = make_client(ringcx.url)
    client.transport.limiter = KillingLimiter(kill_at)
    return execute_in_chunks(ringcx, ids, start_attempt(store, is_retry), client=client)


def test_runner_resumes_after_transient_error(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited) as caught:
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], caught.value.result["requests"]) == (2, 1)
    result = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=True))
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
    assert (result["leads_matched"], result["leads_updated"], result["requests"]) == (6, 6, 3)


@pytest.mark.parametrize("when", ["after", "before"])
def test_runner_cleared_after_unknown_outcome_skips_chunk(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    six_ids: list[int],
    next_attempt: NextAttempt,
    caplog: pytest.LogCaptureFixture,
    when: str,
) -> None:
    """The connection is dropped before or after the action is applied; the client cannot know which."""
    ringcx.fault("drop", operation="lead_action", at=[2], when=when)
    with pytest.raises(OutcomeUnknown):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    result = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    assert "skipping chunk 2 of 3: its outcome is unknown" in caplog.text
    assert result["requests"] == 3
    second_chunk = [1, 1] if when == "after" else [0, 0]
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, *second_chunk, 1, 1]


def test_runner_retried_after_unknown_outcome_raises_again(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    """Airflow retries although the error is permanent: the process died before it could report the error."""
    ringcx.fault("drop", operation="lead_action", at=[2], when="after")
    with pytest.raises(OutcomeUnknown):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    with pytest.raises(OutcomeUnknown, match="was interrupted in chunk 2 of 3 of MANUAL_LEADS") as caught:
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=True))
    assert "Check its leads, then clear the task: it resumes after that chunk" in str(caught.value)
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], caught.value.result["requests"]) == (2, 2)
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 1, 1, 0, 0]


def test_runner_retry_sends_rejected_chunks_only(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    ringcx.fault("rejected", operation="lead_action", at=[2])
    with pytest.raises(ActionRejected, match="A retry sends the rejected chunks only"):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False), on_rejected="continue")
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 1, 1]
    result = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False), on_rejected="continue")
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
    assert (result["leads_updated"], result["ids_rejected"]) == (6, 0)


def test_runner_chunk_rejected_twice_stays_rejected(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    ringcx.fault("rejected", operation="lead_action", at=[2, 4])
    for _ in range(2):
        with pytest.raises(ActionRejected, match="rejected 1 of 3 chunks of MANUAL_LEADS, with 2 ids"):
            execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False), on_rejected="continue")
    assert count_action_requests(ringcx) == 4
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 1, 1]


def test_runner_resumes_with_generated_params_of_first_attempt(
    ringcx: SandboxServer, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    """With the current time in them, the input of the retry would seem changed."""
    agent = {"RESERVATION_AGENT_ID": 0}
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(
            ringcx, six_ids, next_attempt(is_retry=False), "AGENT_RESERVATION", agent, max_in_flight=1
        )
    time.sleep(0.01)  # The generated timestamp has milliseconds.
    before = len(ringcx.requests)
    execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=True), "AGENT_RESERVATION", agent)
    actions = [request for request in ringcx.requests[before:] if request.operation == "lead_action"]
    assert len(actions) == 2


@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_runner_killed_while_waiting_for_a_slot_resends_chunk(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], request_number: int
) -> None:
    """A request that waits for its slot has certainly not been sent."""
    store = FakeTaskStateStore()
    with pytest.raises(Killed):
        execute_unlimited(ringcx, six_ids, store, is_retry=False, kill_at=request_number)
    result = execute_unlimited(ringcx, six_ids, store, is_retry=True)
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
    assert (result["leads_updated"], result["requests"]) == (6, 3)


def test_runner_slot_too_far_away_has_nothing_in_flight(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int]
) -> None:
    """The limiter raises before the request is sent; a retry of the task resumes with the same chunk."""

    class BusyStore(MemoryStore):
        actions = 0

        def reserve_slot(self, key: str, *args: Any) -> float:
            self.actions += "lead_action" in key
            if self.actions == 2:
                raise LimitExceeded(1000.0)
            return 0.0

    store, client = FakeTaskStateStore(), make_client(ringcx.url)
    client.transport.limiter = RateLimiter(BusyStore())
    with pytest.raises(RateLimited, match="the next free slot is in 1000 s"):
        execute_in_chunks(ringcx, six_ids, start_attempt(store), client=client)
    assert store.saved_checkpoint()["in_flight"] == {}
    result = execute_unlimited(ringcx, six_ids, store, is_retry=True)
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
    assert (result["leads_updated"], result["requests"]) == (6, 3)


@pytest.mark.parametrize("status", [401, 429])
def test_runner_killed_before_resending_has_nothing_in_flight(
    ringcx: SandboxServer, six_ids: list[int], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """After a 401 the token is refreshed, after a 429 the client waits: the request was not applied."""

    def kill(*args: object) -> None:
        raise Killed

    store = FakeTaskStateStore()
    ringcx.fault("status", status=status, operation="lead_action", at=[2])
    with monkeypatch.context() as patch:
        patch.setattr("airflow_provider_engagevoice.ringcx.concurrency.wait_until", kill)
        patch.setattr(RingCentralJwtAuth, "refresh", kill)
        with pytest.raises(Killed):
            execute_unlimited(ringcx, six_ids, store, is_retry=False)
    assert store.saved_checkpoint()["in_flight"] == {}
    result = execute_unlimited(ringcx, six_ids, store, is_retry=True)
    assert (result["leads_updated"], result["requests"]) == (6, 3)


def test_runner_saves_checkpoint_before_each_request(ringcx: SandboxServer, six_ids: list[int]) -> None:
    store, in_flight = FakeTaskStateStore(), []

    def record_in_flight() -> None:
        in_flight.append(store.saved_checkpoint()["in_flight"])

    ringcx.fault("meanwhile", operation="lead_action", at=[1, 2], work=record_in_flight)
    execute_unlimited(ringcx, six_ids[:4], store, is_retry=False)
    assert in_flight == [{"0": 2}, {"1": 2}]
    assert store.saved_checkpoint()["in_flight"] == {}


def test_runner_killed_between_requests_logs_its_progress(
    ringcx: SandboxServer, six_ids: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    """Airflow 2 stops a task by raising an exception in it."""
    with pytest.raises(Killed):
        execute_unlimited(ringcx, six_ids, FakeTaskStateStore(), is_retry=False, kill_at=3)
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert message == "MANUAL_LEADS stopped after 2 of 3 chunks: added a manual pass to 4 leads of 4 matched"


@pytest.mark.parametrize("on_rejected", ["continue", "fail", "ignore"])
def test_on_rejected_decides_whether_the_action_continues(
    ringcx: SandboxServer, six_ids: list[int], on_rejected: str
) -> None:
    ringcx.fault("rejected", operation="lead_action", at=[2], message="locked")
    options: dict[str, Any] = {"chunk_size": 2, "on_rejected": on_rejected, "max_in_flight": 1}
    client = make_client(ringcx.url)
    if on_rejected == "ignore":
        result: Any = perform_action(client, "CANCEL_LEADS", {"leadIds": six_ids}, **options)
    else:
        expected = "locked" if on_rejected == "fail" else r"1 of 3 chunks .* 2 ids"
        with pytest.raises(ActionRejected, match=expected) as caught:
            perform_action(client, "CANCEL_LEADS", {"leadIds": six_ids}, **options)
        result = caught.value.result
    continues = on_rejected != "fail"
    assert are_cancelled(ringcx, six_ids) == [True, True, False, False, continues, continues]
    assert result["leads_updated"] == (4 if continues else 2)
    assert result.get("ids_rejected") == (2 if continues else None)


@pytest.mark.parametrize("on_rejected", ["continue", "ignore"])
def test_on_rejected_verify_checks_accepted_chunks_only(
    ringcx: SandboxServer, six_ids: list[int], pauses: list[float], on_rejected: str
) -> None:
    """RingCX reports success for the first chunk but does not apply it; it rejects the second chunk."""
    ids = six_ids[:4]
    ringcx.fault("answer", operation="lead_action", at=[1], body={"success": True})
    ringcx.fault("rejected", operation="lead_action", at=[2])
    options: dict[str, Any] = {
        "chunk_size": 2,
        "on_rejected": on_rejected,
        "verify": True,
        "max_in_flight": 1,
    }
    client = make_client(ringcx.url)
    if on_rejected == "continue":
        with pytest.raises(ActionRejected, match="1 of 2 chunks") as caught:
            perform_action(client, "CANCEL_LEADS", {"leadIds": ids}, **options)
        result: Any = caught.value.result
    else:
        result = perform_action(client, "CANCEL_LEADS", {"leadIds": ids}, **options)
    assert are_cancelled(ringcx, ids) == [True, True, False, False]
    assert (result["leads_updated"], result["ids_rejected"]) == (2, 2)


def test_on_rejected_ignore_also_applies_to_verify(
    ringcx: SandboxServer, six_ids: list[int], pauses: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    ringcx.fault("answer", operation="lead_action", at=[1], body={"success": True})
    ringcx.fault("rejected", operation="lead_action", at=[3], message="locked")
    options: dict[str, Any] = {"chunk_size": 2, "on_rejected": "ignore", "verify": True}
    result = perform_action(make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": six_ids[:4]}, **options)
    # Rejected in the first check, applied in the second.
    assert (result["leads_updated"], len(pauses)) == (4, 2)
    assert "locked" in caplog.text


def test_on_rejected_fail_also_applies_to_verify(
    ringcx: SandboxServer, six_ids: list[int], pauses: list[float]
) -> None:
    ringcx.fault("answer", operation="lead_action", at=[1], body={"success": True})
    ringcx.fault("rejected", operation="lead_action", at=[3], message="locked")
    with pytest.raises(ActionRejected, match="locked"):
        perform_action(
            make_client(ringcx.url), "CANCEL_LEADS", {"leadIds": six_ids[:4]}, chunk_size=2, verify=True
        )
    assert count_action_requests(ringcx) == 3


def test_runner_resumed_move_uses_the_list_of_the_first_chunk(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    params = move_params(ringcx.campaign("Summer Win-Back"))
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False), "MOVE_TO_CAMPAIGN", params)
    result = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=True), "MOVE_TO_CAMPAIGN", params)
    assert (result["leads_updated"], result["requests"]) == (6, 3)
    assert new_lists(ringcx) == {result["list_id"]: 6}


def test_runner_move_stops_if_its_new_list_does_not_appear(
    ringcx: SandboxServer, six_ids: list[int], next_attempt: NextAttempt, pauses: list[float]
) -> None:
    """The next request would make a second list."""
    params = move_params(ringcx.campaign("Summer Win-Back"))
    ringcx.fault("answer", operation="lists", body=[], chance=1)
    with pytest.raises(ServiceUnavailable, match="does not show the list that the first request made"):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False), "MOVE_TO_CAMPAIGN", params)
    assert pauses == [1.0, 1.0, 1.0]
    ringcx.clear_faults()
    result = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=True), "MOVE_TO_CAMPAIGN", params)
    assert (result["leads_updated"], result["requests"]) == (6, 3)
    assert new_lists(ringcx) == {result["list_id"]: 6}


def test_runner_last_chunk_of_move_does_not_wait_for_its_list(
    ringcx: SandboxServer, six_ids: list[int], next_attempt: NextAttempt, pauses: list[float]
) -> None:
    params = move_params(ringcx.campaign("Summer Win-Back"))
    ringcx.fault("answer", operation="lists", body=[], chance=1)
    checkpoints = next_attempt(is_retry=False)
    result = execute_in_chunks(ringcx, six_ids[:2], checkpoints, "MOVE_TO_CAMPAIGN", params)
    assert (result["leads_updated"], result["list_id"]) == (2, None)
    assert pauses == []


def test_runner_killed_in_flight_resends_retry_safe_chunk(ringcx: SandboxServer, six_ids: list[int]) -> None:
    store = FakeTaskStateStore()

    class KillingCheckpoints(AttemptCheckpoints):
        def save(self, number: int, checkpoint: Mapping[str, Any]) -> None:
            super().save(number, checkpoint)
            if "1" in checkpoint["in_flight"]:
                raise Killed

    with pytest.raises(Killed):
        execute_in_chunks(ringcx, six_ids, start_attempt(store, kind=KillingCheckpoints), "CANCEL_LEADS")
    result = execute_in_chunks(ringcx, six_ids, start_attempt(store, is_retry=True), "CANCEL_LEADS")
    assert are_cancelled(ringcx, six_ids) == [True] * 6
    assert (result["leads_updated"], result["requests"]) == (6, 3)
