"""Tests of checkpoints: which of them an attempt resumes from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import (
    Checkpoint,
    CheckpointStore,
    NullCheckpointStore,
    action_fingerprint,
    load_checkpoint,
)
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown, RateLimited
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows, added_passes, execute_in_chunks
from tests.support.clients import PARAMS
from tests.unit.ringcx.bulk.conftest import NextAttempt

ACCOUNT = "50810001"


class SavedCheckpoint(CheckpointStore):
    """Store with a given checkpoint, or without one that may be lost.

    :param saved: fields of the checkpoint; None for none.
    :param is_retry: as for :class:`CheckpointStore`.
    """

    absence_means_not_started = False

    def __init__(self, saved: Mapping[str, Any] | None, is_retry: bool = True) -> None:
        super().__init__(is_retry)
        self._saved = saved

    def load(self) -> Mapping[str, Any] | None:
        return self._saved

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        raise AssertionError("loading saves nothing")


def make_action(name: str = "MANUAL_LEADS", ids: tuple[int, ...] = (1, 2, 3), **options: Any) -> BulkAction:
    params = PARAMS.get(name, {})
    return BulkAction.create(name, Selection({"leadIds": list(ids)}), params, **{"chunk_size": 2, **options})


def compute_fingerprint(action: BulkAction, account_id: str = ACCOUNT) -> str:
    return action_fingerprint(action, action.chunks(), account_id)


def test_load_checkpoint_matching_input_returns_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    saved = {"fingerprint": "same", "next": 2, "rejected": [0], "counts": {"requests": 2}}
    checkpoint = load_checkpoint(SavedCheckpoint(saved), make_action(), 3, lambda: "same")
    assert checkpoint == Checkpoint("same", next=2, rejected=[0], counts={"requests": 2})
    assert caplog.messages == ["MANUAL_LEADS: resuming; a previous attempt completed 1 of 3 chunks"]


def test_load_checkpoint_unknown_fields_are_ignored() -> None:
    saved = {"fingerprint": "same", "next": 1, "of_a_newer_version": True}
    checkpoint = load_checkpoint(SavedCheckpoint(saved), make_action(), 3, lambda: "same")
    assert checkpoint == Checkpoint("same", next=1)


def test_load_checkpoint_start_mark_only_returns_none() -> None:
    assert load_checkpoint(SavedCheckpoint({}), make_action(), 3, lambda: "same") is None


def test_load_checkpoint_finished_depends_on_is_retry(caplog: pytest.LogCaptureFixture) -> None:
    """A retry has nothing left to do; a person who clears the task wants it to run again."""
    caplog.set_level("INFO")
    saved: dict[str, Any] = {"fingerprint": "same", "next": 3, "finished": True}
    retry, cleared = SavedCheckpoint(saved), SavedCheckpoint(saved, is_retry=False)
    assert load_checkpoint(retry, make_action(), 3, lambda: "same") == Checkpoint(**saved)
    assert caplog.messages == [
        "MANUAL_LEADS: resuming; a previous attempt completed 3 of 3 chunks, nothing is left to do"
    ]
    assert load_checkpoint(cleared, make_action(), 3, lambda: "same") is None


def test_load_checkpoint_changed_input_warns_and_returns_none(caplog: pytest.LogCaptureFixture) -> None:
    saved = {"fingerprint": "earlier", "next": 2}
    assert load_checkpoint(SavedCheckpoint(saved), make_action(), 3, lambda: "now") is None
    assert caplog.messages == [
        "MANUAL_LEADS: the input changed since the last attempt, which completed 2 chunks; starting from the "
        "beginning"
    ]


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
            load_checkpoint(checkpoints, make_action(name), 3, lambda: "same")
    else:
        assert load_checkpoint(checkpoints, make_action(name), 3, lambda: "same") is None


def test_null_checkpoint_store_keeps_nothing() -> None:
    checkpoints = NullCheckpointStore()
    checkpoints.mark_started()
    checkpoints.save({"fingerprint": "same"})
    assert checkpoints.load() is None
    assert not checkpoints.is_durable


def test_checkpoint_completed_excludes_rejected_chunks() -> None:
    assert Checkpoint("same", next=5, rejected=[1, 3]).completed == 3


@pytest.mark.parametrize(
    "changed",
    [
        make_action(ids=(1, 2, 4)),
        make_action(ids=(2, 1, 3)),
        make_action(chunk_size=1),
        make_action("PAUSE_LEADS"),
    ],
    ids=["ids", "order-of-ids", "chunk-size", "action"],
)
def test_action_fingerprint_changes_with_the_input(changed: BulkAction) -> None:
    assert compute_fingerprint(changed) != compute_fingerprint(make_action())
    assert compute_fingerprint(make_action(), "50810002") != compute_fingerprint(make_action())


def test_action_fingerprint_ignores_generated_params() -> None:
    """The current time that is filled in differs in each attempt."""
    selection, agent = Selection({"leadIds": [1, 2]}), {"RESERVATION_AGENT_ID": 0}
    first = BulkAction.create("AGENT_RESERVATION", selection, agent)
    (generated,) = first.generated_params
    later = BulkAction(first.spec, selection, {**first.params, generated: "later"}, authored_params=agent)
    assert first.params != later.params
    assert compute_fingerprint(first) == compute_fingerprint(later)


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


def test_retry_with_changed_input_starts_from_the_beginning(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    six_ids: list[int],
    next_attempt: NextAttempt,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        execute_in_chunks(ringcx, six_ids, next_attempt(is_retry=False))
    execute_in_chunks(ringcx, six_ids[2:], next_attempt(is_retry=True))
    assert "the input changed since the last attempt" in caplog.text
    assert added_passes(ringcx, ready_leads, six_ids) == [1] * 6
