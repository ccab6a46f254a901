"""Tests of the checkpoints of all actions of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints, TaskRecord
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows, added_passes
from tests.support.clients import PARAMS, make_client

MANUAL = BulkAction.create("MANUAL_LEADS", Selection({"leadIds": [1]}), PARAMS["MANUAL_LEADS"])
CANCEL = BulkAction.create("CANCEL_LEADS", Selection({"leadIds": [1]}), {})
DONE: dict[str, Any] = {"counts": {"requests": 1}}


class MemoryRecord(TaskRecord):
    """Keeps the record of a task in memory."""

    def __init__(self, absence_means_not_started: bool = True) -> None:
        self.saved: Mapping[str, Any] | None = None
        self.absence_means_not_started = absence_means_not_started

    def load(self) -> Mapping[str, Any] | None:
        return self.saved

    def start(self, record: Mapping[str, Any]) -> bool:
        self.save(record)
        return True

    def save(self, record: Mapping[str, Any]) -> None:
        self.saved = {**record, "checkpoints": list(record["checkpoints"])}


def start(
    record: TaskRecord, number: int, series: int = 1, is_retry: bool | None = None
) -> AttemptCheckpoints:
    """Start an attempt of a task that no person cleared, unless ``series`` is not 1."""
    return AttemptCheckpoints(record, Attempt(number, series, number > 1 if is_retry is None else is_retry))


def act(
    checkpoints: AttemptCheckpoints, fingerprint: str, action: BulkAction = MANUAL, **progress: Any
) -> Mapping[str, Any] | None:
    """Start the next action and save its progress; return the checkpoint that it found."""
    store = checkpoints.next_action()
    found = store.load(action, fingerprint)
    if progress:
        safe = action.is_retry_safe
        store.save({"fingerprint": fingerprint, "action": action.name, "retry_safe": safe, **progress})
    return found


def names(found: Mapping[str, Any] | None) -> Any:
    return found and found["fingerprint"]


def test_attempt_checkpoints_are_found_in_any_order() -> None:
    record = MemoryRecord()
    first = start(record, 1)
    for fingerprint in ("a", "b", "b"):
        assert act(first, fingerprint, **DONE) is None
    second = start(record, 2)
    assert [names(act(second, fingerprint)) for fingerprint in ("b", "a", "b", "c")] == ["b", "a", "b", None]


def test_attempt_checkpoints_unsafe_action_gets_the_changed_one() -> None:
    """It may be the same action with other input, which must not be applied to the same leads again."""
    record = MemoryRecord()
    first = start(record, 1)
    act(first, "a", CANCEL, **DONE)
    act(first, "b", **DONE)
    second = start(record, 2)
    assert names(act(second, "changed")) == "b"
    assert act(second, "changed again") is None


def test_attempt_checkpoints_safe_action_gets_the_one_of_its_place() -> None:
    record = MemoryRecord()
    first = start(record, 1)
    act(first, "a", CANCEL, **DONE)
    act(first, "b", CANCEL, **DONE)
    second = start(record, 2)
    assert names(act(second, "a", CANCEL)) == "a"
    assert names(act(second, "changed", CANCEL)) == "b"
    assert act(second, "c", CANCEL) is None


def test_attempt_checkpoints_cleared_finished_task_starts_again() -> None:
    record = MemoryRecord()
    first = start(record, 1)
    act(first, "not started")
    act(first, "a", finished=True)
    assert names(act(start(record, 2), "a")) == "a"
    assert act(start(record, 3, series=3, is_retry=False), "a") is None


def test_attempt_checkpoints_cleared_unfinished_task_resumes_all() -> None:
    record = MemoryRecord()
    first = start(record, 1)
    act(first, "a", finished=True)
    act(first, "b", in_flight={"0": 1})
    cleared = start(record, 2, series=2, is_retry=False)
    assert not cleared.is_retry
    assert [names(act(cleared, fingerprint)) for fingerprint in "ab"] == ["a", "b"]


def test_attempt_checkpoints_retry_of_cleared_task_starts_again() -> None:
    """The first attempt after the clear ended before it could record that it had started."""
    record = MemoryRecord()
    act(start(record, 1), "a", finished=True)
    assert act(start(record, 3, series=3), "a") is None


@pytest.mark.parametrize("is_shared", [True, False])
def test_attempt_checkpoints_missing_attempt_may_be_incomplete(is_shared: bool) -> None:
    """The second attempt left no record; in Airflow's task state store, that means it sent nothing."""
    record = MemoryRecord(absence_means_not_started=not is_shared)
    act(start(record, 1), "a", **DONE)
    third = start(record, 3)
    assert third.next_action().absence_means_not_started is not is_shared
    assert names(act(third, "a")) == (None if is_shared else "a")
    fourth = start(record, 4)
    assert fourth.may_be_incomplete is is_shared
    cleared = start(record, 5, series=5, is_retry=False)
    assert names(act(cleared, "a")) == "a"


@pytest.mark.parametrize("number", [1, 2])
def test_attempt_checkpoints_of_a_deleted_run_are_not_used(number: int) -> None:
    """The run was deleted and started again under the same name, so its attempts count from 1 again."""
    record = MemoryRecord()
    act(start(record, number), "a", **DONE)
    again = start(record, 1)
    assert not again.is_retry
    assert act(again, "a", **DONE) is None
    assert names(act(start(record, 2), "a")) == "a"


def test_attempt_checkpoints_same_series_is_a_retry() -> None:
    """Airflow's number of retries was edited between the attempts."""
    record = MemoryRecord()
    start(record, 1)
    assert start(record, 2, is_retry=False).is_retry


def test_attempts_of_several_actions_apply_each_once(
    ringcx: SandboxServer, ready_leads: LeadRows, six_ids: list[int]
) -> None:
    """The second of three actions fails once; an automatic retry and a clear repeat nothing."""
    record, client = MemoryRecord(), make_client(ringcx.url, retry_timeout=0.0)

    def run(checkpoints: AttemptCheckpoints) -> None:
        for number in (0, 2, 4):
            selection = Selection({"leadIds": six_ids[number : number + 2]})
            action = BulkAction.create("MANUAL_LEADS", selection, PARAMS["MANUAL_LEADS"])
            client.lead_actions().execute(action, checkpoints.next_action())

    ringcx.fault("drop", operation="lead_action", at=[2])
    with pytest.raises(OutcomeUnknown, match="may have been applied"):
        run(start(record, 1))
    with pytest.raises(OutcomeUnknown, match="A previous attempt was interrupted in chunk 1 of 1"):
        run(start(record, 2))
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 0, 0]
    run(start(record, 3, series=3, is_retry=False))
    assert added_passes(ringcx, ready_leads, six_ids) == [1, 1, 0, 0, 1, 1]
