"""Loads that are interrupted and started again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore, Resumable
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled, NotFound, OutcomeUnknown
from tests.support.bulk import FakeTaskStateStore, Killed, start_attempt
from tests.support.loading import Crm, add_do_not_call, counts, crm_row, crm_rows, outcomes, read_report
from tests.unit.ringcx.loading.conftest import MakeCrm

ROWS = crm_rows(8)
EACH_ONCE = {row["externId"]: 1 for row in ROWS}


class KillingStore(CheckpointStore):
    """Keeps the checkpoint of a task that is killed when a certain one is saved.

    :param kept: the checkpoint that the attempt before left; changed by this attempt.
    :param kill_at: number of the checkpoint at which the task is killed; 0 for never.
    :param is_after: it is killed after this checkpoint was saved, not before.
    :param is_lost: the checkpoint is on another host.
    """

    def __init__(
        self, kept: dict[str, Any], kill_at: int = 0, *, is_after: bool = False, is_lost: bool = False
    ) -> None:
        super().__init__(is_retry=is_lost or bool(kept))
        self.kept, self.kill_at, self.is_after, self.is_lost = kept, kill_at, is_after, is_lost
        self.saves = 0

    @property
    def absence_means_not_started(self) -> bool:
        return not self.is_lost

    def load(self, action: Resumable, fingerprint: str) -> Mapping[str, Any] | None:
        return None if self.is_lost else dict(self.kept) or None

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        self.saves += 1
        is_due = 0 < self.kill_at <= self.saves
        if is_due and not (self.is_after and self.saves == self.kill_at):
            raise Killed
        self.kept.clear()
        self.kept.update(checkpoint)
        if is_due:
            raise Killed


class NoStore(KillingStore):
    """Keeps nothing, as a load without a checkpoint; only ends the task."""

    def __init__(self, kept: dict[str, Any], kill_at: int = 0, **options: bool) -> None:
        super().__init__({}, kill_at, **options)


def interrupt(crm: Crm, request_number: int = 2, **options: Any) -> None:
    """Load the rows two by two until a request fails without being processed."""
    crm.server.fault("status", operation="direct_load", status=404, at=[request_number])
    with pytest.raises(NotFound):
        crm.load(ROWS, chunk_size=2, max_in_flight=1, **options)


def test_second_call_sends_only_what_is_missing(crm: Crm) -> None:
    interrupt(crm, 3)
    result = crm.load(ROWS, chunk_size=2)
    assert (counts(result), result["requests"]) == ((8, 0, 0, 0, 0), 2)
    assert crm.loaded == EACH_ONCE


def test_finished_load_is_not_sent_again(crm: Crm) -> None:
    for _ in range(3):
        assert counts(crm.load(ROWS, chunk_size=2)) == (8, 0, 0, 0, 0)
    assert len(crm.loads) == 4


CHANGES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "row added at the start": lambda: [crm_row(100), *ROWS],
    "row added in the middle": lambda: [*ROWS[:3], crm_row(100), *ROWS[3:]],
    "row removed": lambda: ROWS[1:],
    "other order": lambda: ROWS[::-1],
    "other values": lambda: [{**row, "firstName": "New"} for row in ROWS],
    "other rows": lambda: crm_rows(8, 50),
}


@pytest.mark.parametrize("with_checkpoint", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_rows_are_loaded_once(crm: Crm, change: str, with_checkpoint: bool) -> None:
    store = FakeTaskStateStore()

    def checkpoints(is_retry: bool) -> CheckpointStore | None:
        return start_attempt(store, is_retry) if with_checkpoint else None

    interrupt(crm, 3, checkpoints=checkpoints(is_retry=False))
    rows = CHANGES[change]()
    before = dict(crm.loaded)
    result = crm.load(rows, chunk_size=2, checkpoints=checkpoints(is_retry=True))
    assert counts(result) == (len(rows), 0, 0, 0, 0)
    assert crm.loaded == {**before, **{row["externId"]: 1 for row in rows}}


@pytest.mark.parametrize("chunk_size", [1, 3, 500])
def test_other_chunk_size_in_the_second_call(crm: Crm, chunk_size: int) -> None:
    interrupt(crm, 3)
    assert counts(crm.load(ROWS, chunk_size=chunk_size)) == (8, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_other_list_name_in_the_second_call(crm: Crm) -> None:
    interrupt(crm, 3)
    assert counts(crm.load(ROWS, chunk_size=2, list_name="Renamed")) == (8, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_report_of_the_second_call_has_all_rows(crm: Crm, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    store = FakeTaskStateStore()
    interrupt(crm, 3, report=str(report), checkpoints=start_attempt(store))
    assert outcomes(report) == ["loaded"] * 4 + ["not_sent"] * 4
    result = crm.load(ROWS, chunk_size=2, report=str(report), checkpoints=start_attempt(store, is_retry=True))
    assert counts(result) == (8, 0, 0, 0, 0)
    ids = {lead["externId"]: str(lead["leadId"]) for lead in crm.leads}
    assert {line["external_id"]: line["lead_id"] for line in read_report(report)} == ids
    assert outcomes(report) == ["loaded"] * 8


def test_report_of_the_second_call_has_rows_that_ringcx_left_out_in_the_first(
    crm: Crm, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    store = FakeTaskStateStore()
    add_do_not_call(crm.server, "6175550001")
    interrupt(crm, 3, checkpoints=start_attempt(store), report=str(report))
    result = crm.load(ROWS, chunk_size=2, report=str(report), checkpoints=start_attempt(store, is_retry=True))
    assert counts(result) == (7, 0, 1, 0, 0)
    assert outcomes(report) == ["loaded", "dnc", *["loaded"] * 6]


def test_checkpoint_saves_the_search_for_complete_chunks(crm: Crm) -> None:
    store = FakeTaskStateStore()
    interrupt(crm, 4, checkpoints=start_attempt(store))
    before = len(crm.searches)
    crm.load(ROWS, chunk_size=2, checkpoints=start_attempt(store, is_retry=True), verify=False)
    # For one chunk of four.
    assert len(crm.searches) - before == 1
    assert crm.loaded == EACH_ONCE


def test_finished_checkpoint_sends_nothing(crm: Crm) -> None:
    store = FakeTaskStateStore()
    crm.server.fault("drop", operation="direct_load", when="after", at=[1])
    first = crm.load(ROWS, chunk_size=2, checkpoints=start_attempt(store))
    before = len(crm.server.requests)
    second = crm.load(ROWS, chunk_size=2, checkpoints=start_attempt(store, is_retry=True))
    assert second == first
    operations = {request.operation for request in crm.server.requests[before:]}
    assert not operations & {"direct_load", "lead_search", "lead_count"}


def test_finished_checkpoint_of_a_load_with_rejected_rows_counts_them_once(crm: Crm) -> None:
    store = FakeTaskStateStore()
    rows = [*ROWS, crm_row(9, maxPasses=10**17), crm_row(10, leadPhone="1")]
    options: dict[str, Any] = {"chunk_size": 2, "on_rejected": "ignore"}
    first = crm.load(rows, checkpoints=start_attempt(store), **options)
    assert counts(first) == (8, 0, 0, 2, 0)
    assert crm.load(rows, checkpoints=start_attempt(store, is_retry=True), **options) == first


def test_request_in_flight_is_looked_up_with_waits(crm: Crm) -> None:
    kept: dict[str, Any] = {}
    with pytest.raises(Killed):
        crm.load(ROWS, chunk_size=2, max_in_flight=1, checkpoints=KillingStore(kept, 3, is_after=True))
    assert kept["in_doubt"] == [1]
    assert not crm.clock.pauses
    assert counts(crm.load(ROWS, chunk_size=2, checkpoints=KillingStore(kept))) == (8, 0, 0, 0, 0)
    assert sum(crm.clock.pauses) == pytest.approx(52, abs=1)
    assert crm.loaded == EACH_ONCE


@pytest.mark.parametrize("load_lists", ["named", "unnamed"])
@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("is_lost", [False, True])
def test_kill_at_any_checkpoint(make_crm: MakeCrm, load_lists: str, is_after: bool, is_lost: bool) -> None:
    """A retry on the same host has the checkpoint, one on another host knows that there was one."""
    crm = make_crm(load_lists=load_lists)
    for number in range(1, 20):
        kept: dict[str, Any] = {}
        rows = crm_rows(6, 100 * number)
        load_id = f"kill {number}"
        options: dict[str, Any] = {"chunk_size": 2, "load_id": load_id}
        store = KillingStore(kept, number, is_after=is_after)
        try:
            crm.load(rows, max_in_flight=1 + number % 2, checkpoints=store, **options)
        except Killed:
            pass
        else:
            break
        result = crm.load(rows, checkpoints=KillingStore(kept, is_lost=is_lost), **options)
        assert counts(result) == (6, 0, 0, 0, 0)
    else:
        raise AssertionError("the load saves more checkpoints than expected")
    assert set(crm.loaded.values()) == {1}
    assert len(crm.loaded) == 6 * number


def test_kill_without_any_checkpoint(crm: Crm) -> None:
    for number in range(1, 8):
        options: dict[str, Any] = {"chunk_size": 2, "load_id": f"kill {number}", "max_in_flight": 1}
        rows = crm_rows(6, 100 * number)
        with pytest.raises(Killed):
            crm.load(rows, checkpoints=NoStore({}, number), **options)
        assert counts(crm.load(rows, **options)) == (6, 0, 0, 0, 0)
    assert set(crm.loaded.values()) == {1}


def test_load_that_is_cancelled_can_be_resumed(crm: Crm) -> None:
    client = crm.client()
    crm.server.fault("meanwhile", operation="direct_load", work=client.cancel_token.cancel, at=[2])
    with pytest.raises(Cancelled) as caught:
        crm.load(ROWS, chunk_size=2, max_in_flight=1, client=client)
    assert caught.value.result is not None
    assert counts(caught.value.result) == (4, 0, 0, 0, 0)
    assert counts(crm.load(ROWS, chunk_size=2)) == (8, 0, 0, 0, 0)
    assert crm.loaded == EACH_ONCE


def test_doubt_about_a_chunk_outlives_a_rejected_request(crm: Crm) -> None:
    """A request of an earlier attempt may still arrive after a later one was certainly not applied."""
    kept: dict[str, Any] = {}
    crm.server.fault("drop", operation="direct_load")
    with pytest.raises(OutcomeUnknown):
        crm.load(ROWS, checkpoints=KillingStore(kept))
    crm.server.fault("rate_limited", operation="direct_load", times=9)
    with pytest.raises(Exception, match="429"):
        crm.load(ROWS, checkpoints=KillingStore(kept), client=crm.client(retry_timeout=0.0))
    assert kept["in_doubt"] == [0]
    assert counts(crm.load(ROWS, checkpoints=KillingStore(kept))) == (8, 0, 0, 0, 0)


def test_load_into_lists_without_names_is_warned_of(
    make_crm: MakeCrm, caplog: pytest.LogCaptureFixture
) -> None:
    crm = make_crm(load_lists="unnamed")
    assert counts(crm.load(ROWS, chunk_size=2)) == (8, 0, 0, 0, 0)
    assert "RingCX shows no list of this load" in caplog.text
    assert crm.loaded == EACH_ONCE


def test_lists_with_names_are_not_warned_of(crm: Crm, caplog: pytest.LogCaptureFixture) -> None:
    crm.load(ROWS)
    assert "RingCX shows no list" not in caplog.text
