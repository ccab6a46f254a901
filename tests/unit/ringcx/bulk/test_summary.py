"""Tests of the run summary: the error of an interrupted bulk action, and the last log line."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    ActionRejected,
    Cancelled,
    OutcomeUnknown,
    PermanentError,
    ServiceUnavailable,
    VerificationFailed,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import lead_passes, lead_states
from tests.support.clients import Fault, count_action_requests, make_client, perform_action

pytestmark = pytest.mark.usefixtures("clock", "isolated_store")

FAILURES: dict[str, tuple[Fault, type[Exception]]] = {
    "rejected": ({"kind": "rejected", "message": "Campaign is locked"}, ActionRejected),
    "denied": ({"kind": "status", "status": 403}, AccessDenied),
    "failing": ({"kind": "status", "status": 503}, ServiceUnavailable),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_interrupted_retry_safe_action_raises_original_error(
    ringcx_sandbox: SandboxServer, ids: list[int], failure: str
) -> None:
    fault, error = FAILURES[failure]
    ringcx_sandbox.fault(**fault, operation="lead_action", skip=2, chance=1)
    with pytest.raises(error):
        perform_action(
            make_client(ringcx_sandbox.url),
            "CANCEL_LEADS",
            {"leadIds": ids[:7]},
            chunk_size=2,
            max_in_flight=1,
        )
    assert lead_states(ringcx_sandbox, ids[:4]) == {"CANCELLED"}
    assert lead_states(ringcx_sandbox, ids[4:7]) == {"READY"}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("completed", [1, 3])
def test_interrupted_unsafe_action_names_complete_chunks(
    ringcx_sandbox: SandboxServer, ids: list[int], failure: str, completed: int
) -> None:
    """Without a checkpoint a retry would repeat them, so the error is permanent."""
    before = lead_passes(ringcx_sandbox)
    ringcx_sandbox.fault(**FAILURES[failure][0], operation="lead_action", skip=completed, chance=1)
    with pytest.raises(OutcomeUnknown, match=f"{completed} of 4 chunks (is|are) complete") as caught:
        perform_action(make_client(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert "check the leads before running" in str(caught.value).lower()
    assert isinstance(caught.value, PermanentError)
    after = lead_passes(ringcx_sandbox)
    assert {key for key in after if after[key] > before[key]} == set(ids[: 2 * completed])
    assert count_action_requests(ringcx_sandbox) == completed + 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_dropped_connection_error_names_complete_chunks(
    ringcx_sandbox: SandboxServer, ids: list[int], when: str
) -> None:
    ringcx_sandbox.fault("drop", when=when, operation="lead_action", at=[2])
    with pytest.raises(OutcomeUnknown, match="1 of 4 chunks is complete"):
        perform_action(make_client(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert count_action_requests(ringcx_sandbox) == 2


@pytest.mark.parametrize("failure", FAILURES)
def test_first_request_failure_raises_original_error(
    ringcx_sandbox: SandboxServer, ids: list[int], failure: str
) -> None:
    """No chunk is complete, so a retry repeats nothing. A 503 itself may have been applied."""
    fault, error = FAILURES[failure]
    ringcx_sandbox.fault(**fault, operation="lead_action", chance=1)
    with pytest.raises(OutcomeUnknown if failure == "failing" else error):
        perform_action(make_client(ringcx_sandbox.url), "MANUAL_LEADS", {"leadIds": ids[:7]}, chunk_size=2)
    assert count_action_requests(ringcx_sandbox) == 1


def test_cancelled_action_error_describes_its_progress(ringcx_sandbox: SandboxServer, ids: list[int]) -> None:
    client = make_client(ringcx_sandbox.url)
    ringcx_sandbox.fault("meanwhile", work=client.cancel_token.cancel, operation="lead_action", at=[2])
    with pytest.raises(Cancelled) as caught:
        perform_action(client, "CANCEL_LEADS", {"leadIds": ids[:7]}, chunk_size=2, max_in_flight=1)
    # Either the next request or the response to a count was awaited.
    assert re.fullmatch(
        r"Cancelled before .*\. CANCEL_LEADS stopped after 2 of 4 chunks: cancelled 4 leads of 4 matched",
        str(caught.value),
    )
    assert caught.value.result is not None
    assert caught.value.result["leads_updated"] == 4
    assert count_action_requests(ringcx_sandbox) == 2


def test_failed_verification_of_unsafe_action_is_permanent(
    ringcx_sandbox: SandboxServer, ids: list[int]
) -> None:
    """A retry would repeat READY_LEADS, which is not safe to retry."""
    client = make_client(ringcx_sandbox.url)
    perform_action(client, "CANCEL_LEADS", {"leadIds": ids[:2]})
    ringcx_sandbox.fault("answer", operation="lead_action", body={"success": True, "leadUpdateCount": 2})
    with pytest.raises(
        PermanentError, match=r"may hold them, as during a call\. READY_LEADS is not safe"
    ) as caught:
        perform_action(client, "READY_LEADS", {"leadIds": ids[:2]}, verify=True)
    assert not isinstance(caught.value, (OutcomeUnknown, VerificationFailed))
    assert caught.value.result is not None
    assert caught.value.result["leads_updated"] == 2


def test_rejected_chunks_of_unsafe_action_raise_rejection(
    ringcx_sandbox: SandboxServer, ids: list[int]
) -> None:
    """The other chunks are complete. No retry is promised, since no checkpoint is kept."""
    ringcx_sandbox.fault("rejected", operation="lead_action", at=[2])
    with pytest.raises(ActionRejected) as caught:
        perform_action(
            make_client(ringcx_sandbox.url),
            "MANUAL_LEADS",
            {"leadIds": ids[:6]},
            chunk_size=2,
            on_rejected="continue",
        )
    assert str(caught.value) == (
        "RingCX rejected 1 of 3 chunks of MANUAL_LEADS, with 2 ids, as the log explains; the other chunks "
        "are complete"
    )


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ({}, ""),
        ({"on_rejected": "ignore"}, "; rejected 1 chunk with 2 ids"),
        ({"on_rejected": "ignore", "report": True}, "; rejected 1 chunk with 2 ids; 1 id not found"),
    ],
    ids=["all-complete", "rejected", "rejected-and-not-found"],
)
def test_last_log_line_has_the_counts(
    ringcx_sandbox: SandboxServer,
    ids: list[int],
    tmp_path: Any,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    suffix: str,
) -> None:
    caplog.set_level(logging.INFO)
    if "report" in options:
        options = {**options, "report": tmp_path / "report.csv"}
    if options:
        ringcx_sandbox.fault("rejected", operation="lead_action", at=[2])
    criteria = {"leadIds": [*ids[:5], 10**9]}
    perform_action(
        make_client(ringcx_sandbox.url), "CANCEL_LEADS", criteria, chunk_size=2, max_in_flight=1, **options
    )
    leads, requests = (3, 3) if options else (5, 3)
    messages = [record.message for record in caplog.records if record.name.endswith("bulk.summary")]
    assert messages == [f"Cancelled {leads} leads of {leads} matched ({requests} requests){suffix}"]
