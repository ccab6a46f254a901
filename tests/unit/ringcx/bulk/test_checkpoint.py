"""Tests of checkpoints: which of them an attempt resumes from."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from requests import Response

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.action_request import ActionSender
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import (
    Checkpoint,
    CheckpointStore,
    NullCheckpointStore,
    Resumable,
    load_checkpoint,
)
from airflow_provider_engagevoice.ringcx.bulk.digests import action_fingerprint, input_digests
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown, RateLimited
from airflow_provider_engagevoice.ringcx.leads.selection import Selection, build_selection
from airflow_provider_engagevoice.ringcx.steps import Steps
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.ringcx.transport.exchange import read_response
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import Killed, LeadRows, added_passes, execute_in_chunks
from tests.support.clients import PARAMS
from tests.unit.ringcx.bulk.conftest import NextAttempt

ACCOUNT = "50810001"
HOST = "https://ringcx.example.com"
SAME = {"ids": "same"}
#: Fingerprint of this input.
FINGERPRINT = action_fingerprint(SAME)


class SavedCheckpoint(CheckpointStore):
    """Store with a given checkpoint, or without one that may be lost.

    :param saved: fields of the checkpoint; None for none.
    :param is_retry: as for :class:`CheckpointStore`.
    """

    absence_means_not_started = False

    def __init__(self, saved: Mapping[str, Any] | None, is_retry: bool = True) -> None:
        super().__init__(is_retry)
        self.saved = saved

    def load(self, action: Resumable, fingerprint: str) -> Mapping[str, Any] | None:
        return self.saved

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        assert not checkpoint, "loading only forgets a checkpoint"
        self.saved = checkpoint


def make_action(name: str = "MANUAL_LEADS", ids: tuple[int, ...] = (1, 2, 3), **options: Any) -> BulkAction:
    params = PARAMS.get(name, {})
    return BulkAction.create(name, Selection({"leadIds": list(ids)}), params, **{"chunk_size": 2, **options})


def compute_digests(action: BulkAction, account_id: str = ACCOUNT, host: str = HOST) -> dict[str, str]:
    return input_digests(action, action.chunks(), host, account_id)


def changed_parts(action: BulkAction, other: BulkAction) -> list[str]:
    """Return the parts of the input that differ."""
    digests, others = compute_digests(action), compute_digests(other)
    return [name for name in digests if digests[name] != others[name]]


def test_load_checkpoint_matching_input_returns_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    saved = {
        "fingerprint": FINGERPRINT,
        "next": 2,
        "rejected": [0],
        "chunk_size": 1,
        "counts": {"requests": 2},
    }
    checkpoint = load_checkpoint(SavedCheckpoint(saved), make_action(), 3, SAME)
    assert checkpoint == Checkpoint(FINGERPRINT, next=2, rejected=[0], chunk_size=1, counts={"requests": 2})
    assert caplog.messages == ["MANUAL_LEADS: resuming; a previous attempt completed 1 of 3 chunks"]


def test_load_checkpoint_unknown_fields_are_ignored() -> None:
    saved = {"fingerprint": FINGERPRINT, "next": 1, "of_a_newer_version": True}
    checkpoint = load_checkpoint(SavedCheckpoint(saved), make_action(), 3, SAME)
    assert checkpoint == Checkpoint(FINGERPRINT, next=1)


def test_load_checkpoint_start_mark_only_returns_none() -> None:
    assert load_checkpoint(SavedCheckpoint({}), make_action(), 3, SAME) is None


def test_load_checkpoint_finished_has_nothing_left_to_do(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    saved: dict[str, Any] = {"fingerprint": FINGERPRINT, "next": 3, "chunk_size": 1, "finished": True}
    assert load_checkpoint(SavedCheckpoint(saved), make_action(), 3, SAME) == Checkpoint(**saved)
    assert caplog.messages == [
        "MANUAL_LEADS: resuming; a previous attempt completed 3 of 3 chunks, nothing is left to do"
    ]


@pytest.mark.parametrize(
    ("name", "is_retry", "progress"),
    [
        ("CANCEL_LEADS", True, {"next": 2, "counts": {"requests": 2}, "retry_safe": True}),
        ("MANUAL_LEADS", False, {"next": 2, "counts": {"requests": 2}}),
        # No lead of the two chunks matched, so nothing was sent.
        ("MANUAL_LEADS", True, {"next": 2, "counts": {"requests": 0}}),
    ],
    ids=["retry-safe", "cleared-by-a-person", "nothing-sent"],
)
def test_load_checkpoint_changed_input_may_start_again(
    name: str, is_retry: bool, progress: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    saved = {"fingerprint": "earlier", "digests": {"ids": "other"}, **progress}
    store = SavedCheckpoint(saved, is_retry)
    assert load_checkpoint(store, make_action(name), 3, SAME) is None
    assert caplog.messages == [
        f"{name}: starting from the beginning, because the ids changed since the last attempt, which "
        "completed 2 chunks"
    ]
    # A retry of an attempt that ends before its first request must not find the other input's checkpoint.
    assert store.saved == {}


@pytest.mark.parametrize(
    ("progress", "done"),
    [
        ({"next": 1, "counts": {"requests": 1, "leads_updated": 2}}, "1 chunk with 2 leads. MANUAL"),
        ({"in_flight": {"0": 2}}, "0 chunks with 0 leads; chunk 1 may be applied, too. MANUAL"),
        ({"in_flight": {"2": 2, "0": 2}}, "0 chunks with 0 leads; chunks 1, 3 may be applied, too. MANUAL"),
        (
            {"next": 3, "finished": True, "counts": {"requests": 3, "leads_updated": 6}},
            "3 chunks with 6 leads",
        ),
    ],
    ids=["done", "in-flight", "several-in-flight", "finished"],
)
def test_load_checkpoint_unsafe_retry_of_changed_input_is_refused(
    progress: dict[str, Any], done: str
) -> None:
    saved = {"fingerprint": "earlier", "digests": {"ids": "same", "parameters": "1"}, **progress}
    with pytest.raises(OutcomeUnknown) as raised:
        load_checkpoint(SavedCheckpoint(saved), make_action(), 3, {**SAME, "parameters": "2"})
    assert str(raised.value).startswith(
        "Check the leads before clearing the task: the parameters changed after"
    )
    assert done in str(raised.value)
    assert "use a time of the run, such as {{ ts }}" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "is_retry", "is_refused"),
    [("MANUAL_LEADS", True, True), ("MANUAL_LEADS", False, False), ("CANCEL_LEADS", True, False)],
    ids=["retry", "cleared-by-a-person", "retry-safe"],
)
def test_load_checkpoint_possibly_lost_refuses_unsafe_retry(
    name: str, is_retry: bool, is_refused: bool
) -> None:
    checkpoints = SavedCheckpoint(None, is_retry)
    if is_refused:
        with pytest.raises(OutcomeUnknown, match="Check the leads before running the task again: a previous"):
            load_checkpoint(checkpoints, make_action(name), 3, SAME)
    else:
        assert load_checkpoint(checkpoints, make_action(name), 3, SAME) is None


def test_null_checkpoint_store_keeps_nothing() -> None:
    checkpoints = NullCheckpointStore()
    checkpoints.save({"fingerprint": FINGERPRINT})
    assert checkpoints.load(make_action(), FINGERPRINT) is None
    assert not checkpoints.is_durable


def test_checkpoint_completed_excludes_rejected_chunks() -> None:
    assert Checkpoint(FINGERPRINT, next=5, rejected=[1, 3]).completed == 3


@pytest.mark.parametrize(
    ("other", "changed"),
    [
        (make_action(ids=(1, 2, 4)), ["ids"]),
        (make_action(ids=(2, 1, 3, 1)), []),
        (make_action(chunk_size=1), []),
        (make_action("PAUSE_LEADS"), ["action", "parameters"]),
    ],
    ids=["ids", "order-of-ids", "chunk-size", "action"],
)
def test_input_digests_change_with_the_meaning(other: BulkAction, changed: list[str]) -> None:
    assert changed_parts(make_action(), other) == changed


def test_input_digests_include_host_and_account() -> None:
    action = make_action()
    assert compute_digests(action, "50810002")["connection"] != compute_digests(action)["connection"]
    assert compute_digests(action, host="x")["connection"] != compute_digests(action)["connection"]


def test_input_digests_ignore_spelling_of_filters() -> None:
    def build(**criteria: Any) -> BulkAction:
        selection = build_selection(criteria)
        return BulkAction.create("MANUAL_LEADS", selection, PARAMS["MANUAL_LEADS"])

    first = build(campaignIds=[101, 102], leadStates=["READY", "PAUSED"], externIds=["A-1", "b-2"])
    other = build(externIds=["b-2", "A-1"], leadStates=["paused", "ready"], campaignIds=["102", 101])
    assert changed_parts(first, other) == []
    assert changed_parts(first, build(campaignIds=[101], externIds=["A-1", "b-2"])) == ["filters"]


def test_action_fingerprint_ignores_generated_params() -> None:
    """The current time that is filled in differs in each attempt."""
    selection, agent = Selection({"leadIds": [1, 2]}), {"RESERVATION_AGENT_ID": 0}
    first = BulkAction.create("AGENT_RESERVATION", selection, agent)
    (generated,) = first.generated_params
    later = BulkAction(first.spec, selection, {**first.params, generated: "later"}, authored_params=agent)
    assert first.params != later.params
    assert changed_parts(first, later) == []


def test_ids_of_a_set_have_the_same_order_in_all_processes() -> None:
    """The order of a Python set differs between processes; a retry would take it for changed input."""
    code = """
import json
from airflow_provider_engagevoice.ringcx.leads.action_params import email_addresses
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
numbers = range(1_000_000, 1_000_020)
criteria = {
    "campaignIds": frozenset(n * 2**40 for n in numbers),
    "externIds": {f"A-{n}" for n in numbers} | set(numbers),
    "leadPhoneNumbers": str({f"+1617{n}" for n in numbers}),
    "leadStates": {"READY", "PENDING", "COMPLETE"},
}
addresses = email_addresses({f"{n}@example.com" for n in numbers})
print(json.dumps([dict(build_selection(criteria).body), addresses]))
"""
    path = os.pathsep.join(filter(None, sys.path))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }  # fmt: skip
    (output,) = outputs
    assert len(json.loads(output)[0]["externIds"]) == 40


def test_finished_task_runs_again_only_if_a_person_clears_it(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int], next_attempt: NextAttempt
) -> None:
    """Airflow retries a finished task if its process dies before it has reported its success."""
    first = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    assert execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=True)) == first
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
    execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    assert added_passes(ringcx, ready_leads, six_ids) == [2] * 6


@pytest.mark.parametrize("stop_at", [1, 2, 3])
@pytest.mark.parametrize("killed", [False, True], ids=["refused", "killed"])
@pytest.mark.parametrize("change", ["chunk-size", "added-id", "order"])
def test_retry_with_changed_input_repeats_nothing(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    six_ids: list[int],
    next_attempt: NextAttempt,
    monkeypatch: pytest.MonkeyPatch,
    stop_at: int,
    killed: bool,
    change: str,
) -> None:
    """Another chunk size or order resumes; another id is refused once a request may have been applied."""
    added = [row["leadId"] for row in ready_leads if row["leadId"] not in six_ids][:1]
    if killed:
        end_request(monkeypatch, stop_at)
        with pytest.raises(Killed):
            execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
        monkeypatch.undo()
    else:
        ringcx.fault("rate_limited", operation="lead_action", at=[stop_at], retry_after=60.0)
        with pytest.raises(RateLimited):
            execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
        ringcx.clear_faults()
    ids = {"chunk-size": six_ids, "added-id": [*added, *six_ids], "order": six_ids[::-1]}[change]
    options: dict[str, Any] = {"chunk_size": 5} if change == "chunk-size" else {}
    refused = killed or (change == "added-id" and stop_at > 1)
    checkpoints = next_attempt(is_retry=True)
    if refused:
        with pytest.raises(
            OutcomeUnknown, match="the ids changed" if change == "added-id" else "interrupted"
        ):
            execute_in_chunks(ringcx, ids, checkpoints, **options)
        assert added_passes(ringcx, ready_leads, six_ids) == [
            int(index < 2 * (stop_at if killed else stop_at - 1)) for index in range(6)
        ]
        if change == "added-id":
            return
        result = execute_in_chunks(ringcx, ids, next_attempt(is_retry=False), **options)
        assert result["leads_unknown"] == 2
    else:
        execute_in_chunks(ringcx, ids, checkpoints, **options)
    assert added_passes(ringcx, ready_leads, ids) == [1] * len(ids)


def end_request(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Kill the attempt after RingCX has applied its lead action request of this number."""
    send, sent = ActionSender.send, itertools.count(1)

    def send_and_die(*args: Any) -> Steps[None]:
        yield from send(*args)
        if next(sent) == number:
            raise Killed

    monkeypatch.setattr(ActionSender, "send", send_and_die)


class TaskEnded(BaseException):
    """Raised in a task by Airflow, like its time limit; not an ``Exception``."""


def test_chunk_that_airflow_interrupted_is_not_skipped_silently(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    six_ids: list[int],
    next_attempt: NextAttempt,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A task marked failed during a request: clearing it reports the chunk before it is skipped."""
    read, sent = read_response, itertools.count(1)

    def read_and_end(response: Response) -> Any:
        body = read(response)
        if "leadAction" in response.url and next(sent) == 2:
            raise TaskEnded
        return body

    monkeypatch.setattr(http, "read_response", read_and_end)
    with pytest.raises(OutcomeUnknown, match="may have been applied"):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    with pytest.raises(OutcomeUnknown, match="interrupted in chunk 2 of 3"):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    report = tmp_path / "report.csv"
    result = execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False), report=report)
    assert (result["leads_matched"], result["leads_updated"], result["leads_unknown"]) == (6, 4, 2)
    last = caplog.records[-1]
    assert last.levelname == "WARNING"
    assert last.getMessage().endswith("outcome unknown for 2 leads, skipped in chunk 2")
    assert report.read_text().splitlines()[1:] == [f"{each},unknown" for each in sorted(six_ids)[2:4]]
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
