"""Another try goes on where the last one ended: what it finds in the journal, and what it makes of it."""

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

from airflow_provider_engagevoice.operators.checkpoints import SharedCheckpointStore, TaskStateCheckpointStore
from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.storage.base import StoreUnavailable
from airflow_provider_engagevoice.ringcx.storage.fallback import FallbackStore
from airflow_provider_engagevoice.ringcx.storage.file import FileStore
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import PARAMS, client_of

Rows = list[dict[str, Any]]


class Store(dict[str, str]):
    """Airflow's task state store, as far as it is used."""

    def set(self, key: str, value: str) -> None:
        self[key] = value


@pytest.fixture(params=["files", "store"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Give the journal of the next try of one task; ``retried`` as Airflow would."""
    task_states, store = Store(), FallbackStore([FileStore(tmp_path / "share"), MemoryStore()])

    numbers = itertools.count(1)

    def next_try(retried: bool = True) -> CheckpointStore:
        journal: CheckpointStore = (
            TaskStateCheckpointStore(task_states, retried)
            if request.param == "store"
            else SharedCheckpointStore(store, "dag task run", next(numbers), retried)
        )
        journal.open()
        return journal

    return next_try


@pytest.fixture
def ids(ready: Rows) -> list[int]:
    return [lead["leadId"] for lead in ready[:6]]


def passes(ringcx: SandboxServer, ready: Rows, ids: list[int]) -> list[int]:
    before = {lead["leadId"]: lead["leadPasses"] for lead in ready}
    now = {lead["leadId"]: lead["leadPasses"] for lead in ringcx.leads()}
    return [now[lead_id] - before[lead_id] for lead_id in ids]


def do(
    ringcx: SandboxServer,
    ids: list[int],
    journal: CheckpointStore,
    action: str = "MANUAL_LEADS",
    params: Mapping[str, Any] | None = None,
    **more: Any,
) -> ActionResult:
    given = PARAMS.get(action, {}) if params is None else params
    act = BulkAction.of(action, Selection({"leadIds": ids}), given, chunk_size=2, **more)
    return client_of(ringcx.url, patience=0.0).lead_actions().execute(act, journal)


def lose(ringcx: SandboxServer, request: int, when: str = "after") -> None:
    ringcx.fault("drop", operation="lead_action", at=[request], when=when)


def test_a_try_that_surely_changed_nothing_more_is_gone_on_with(
    ringcx: SandboxServer, ready: Rows, ids: list[int], journal: Any
) -> None:
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited) as caught:
        do(ringcx, ids, journal(False))
    assert caught.value.result is not None
    assert (caught.value.result["leads_updated"], caught.value.result["requests"]) == (2, 1)
    summary = do(ringcx, ids, journal())
    assert passes(ringcx, ready, ids) == [1] * 6
    assert (summary["leads_matched"], summary["leads_updated"], summary["requests"]) == (6, 6, 3)


@pytest.mark.parametrize("when", ["after", "before"])
def test_a_request_of_unknown_outcome_is_told_of_once_and_then_left_out(
    ringcx: SandboxServer, ready: Rows, ids: list[int], journal: Any, when: str, caplog: Any
) -> None:
    lose(ringcx, 2, when)
    with pytest.raises(OutcomeUnknown):
        do(ringcx, ids, journal(False))
    summary = do(ringcx, ids, journal(False))
    assert "request 2 of 3 is left out" in caplog.text
    assert summary["requests"] == 3
    assert passes(ringcx, ready, ids) == [1, 1, *([1, 1] if when == "after" else [0, 0]), 1, 1]


def test_a_finished_task_that_a_person_clears_starts_afresh_but_a_retry_does_nothing(
    ringcx: SandboxServer, ready: Rows, ids: list[int], journal: Any
) -> None:
    """Airflow may retry what was done, where the process dies before it has said so."""
    first = do(ringcx, ids, journal(False))
    assert do(ringcx, ids, journal(True)) == first
    assert passes(ringcx, ready, ids) == [1] * 6
    do(ringcx, ids, journal(False))
    assert passes(ringcx, ready, ids) == [2] * 6


def test_changed_input_starts_afresh_and_says_so(
    ringcx: SandboxServer, ready: Rows, ids: list[int], journal: Any, caplog: Any
) -> None:
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        do(ringcx, ids, journal(False))
    do(ringcx, ids[2:], journal())
    assert "the input has changed" in caplog.text
    assert passes(ringcx, ready, ids) == [1] * 6


def test_ids_of_a_set_have_one_order_in_all_processes() -> None:
    """Python gives them in another order in each, and to another try they would be changed input."""
    code = """
import json
from airflow_provider_engagevoice.ringcx.leads.action_params import email_addresses
from airflow_provider_engagevoice.ringcx.leads.selection import select
numbers = range(1_000_000, 1_000_020)
criteria = {
    "campaignIds": frozenset(n * 2**40 for n in numbers),
    "externIds": {f"A-{n}" for n in numbers} | set(numbers),
    "leadPhoneNumbers": str({f"+1617{n}" for n in numbers}),
    "leadStates": {"READY", "PENDING", "COMPLETE"},
}
print(json.dumps([dict(select(criteria).body), email_addresses({f"{n}@example.com" for n in numbers})]))
"""
    path = os.pathsep.join(filter(None, sys.path))
    said = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60,
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in "123"
    }  # fmt: skip
    (one,) = said
    assert len(json.loads(one)[0]["externIds"]) == 40


def test_only_what_was_rejected_is_sent_again(
    ringcx: SandboxServer, ready: Rows, ids: list[int], journal: Any
) -> None:
    ringcx.fault("rejected", operation="lead_action", at=[2])
    with pytest.raises(ActionRejected, match="sends those only"):
        do(ringcx, ids, journal(False), on_rejected="continue")
    assert passes(ringcx, ready, ids) == [1, 1, 0, 0, 1, 1]
    summary = do(ringcx, ids, journal(False), on_rejected="continue")
    assert passes(ringcx, ready, ids) == [1] * 6
    assert (summary["leads_updated"], summary["ids_rejected"]) == (6, 0)


def test_a_moment_that_was_filled_in_stays_what_the_first_try_used(
    ringcx: SandboxServer, ids: list[int], journal: Any
) -> None:
    import time

    agent = {"RESERVATION_AGENT_ID": 0}
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        do(ringcx, ids, journal(False), "AGENT_RESERVATION", agent)
    time.sleep(0.01)  # the moment has milliseconds
    before = len(ringcx.requests)
    do(ringcx, ids, journal(), "AGENT_RESERVATION", agent)
    acts = [each for each in ringcx.requests[before:] if each.operation == "lead_action"]
    assert len(acts) == 2


def test_a_report_goes_on_without_saying_anything_twice(
    ringcx: SandboxServer, ids: list[int], journal: Any, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    mixed = [ids[0], 10**9, ids[1], 10**9 + 1]
    ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
    with pytest.raises(RateLimited):
        do(ringcx, mixed, journal(False), report=report)
    summary = do(ringcx, mixed, journal(), report=report)
    assert report.read_text().split() == ["id,outcome", f"{10**9},not_found", f"{10**9 + 1},not_found"]
    assert summary["ids_not_found"] == 2


class TestWhereTheJournalMayBeLost:
    """Airflow before 3.3: the journal is in files of the host, or in Redis."""

    @staticmethod
    def journal(folder: Path, retried: bool) -> SharedCheckpointStore:
        store = FallbackStore([FileStore(folder), MemoryStore()])
        journal = SharedCheckpointStore(store, "dag task run", 1 + retried, retried)
        journal.open()
        return journal

    def test_a_retry_elsewhere_is_refused_and_a_person_who_clears_it_is_not(
        self, ringcx: SandboxServer, ready: Rows, ids: list[int], tmp_path: Path
    ) -> None:
        ringcx.fault("rate_limited", operation="lead_action", at=[2], retry_after=60.0)
        with pytest.raises(RateLimited):
            do(ringcx, ids, self.journal(tmp_path / "one", False))
        with pytest.raises(OutcomeUnknown, match="some or all of the 3 requests"):
            do(ringcx, ids, self.journal(tmp_path / "two", True))
        assert passes(ringcx, ready, ids) == [1, 1, 0, 0, 0, 0]
        do(ringcx, ids, self.journal(tmp_path / "two", False))
        assert passes(ringcx, ready, ids) == [2, 2, 1, 1, 1, 1]

    def test_a_retry_elsewhere_repeats_what_may_be_repeated(
        self, ringcx: SandboxServer, ids: list[int], tmp_path: Path
    ) -> None:
        assert do(ringcx, ids, self.journal(tmp_path / "two", True), "CANCEL_LEADS")["leads_updated"] == 6

    def test_a_try_that_began_nothing_does_not_stand_in_the_way(
        self, ringcx: SandboxServer, ready: Rows, ids: list[int], tmp_path: Path
    ) -> None:
        ringcx.revoke_tokens()
        ringcx.fault("status", status=503, seconds=3600.0)
        with pytest.raises(EngageVoiceError):
            do(ringcx, ids, self.journal(tmp_path / "one", False))
        ringcx.clear_faults()
        do(ringcx, ids, self.journal(tmp_path / "one", True))
        assert passes(ringcx, ready, ids) == [1] * 6

    def test_progress_that_cannot_be_noted_any_more_ends_the_try_before_the_next_request(
        self, ringcx: SandboxServer, ready: Rows, ids: list[int], tmp_path: Path
    ) -> None:
        """Otherwise the next try would do again what the last note does not know of."""

        class Full(FileStore):
            left = 3

            def set(self, key: str, value: bytes, lifetime: float) -> None:
                Full.left -= 1
                if Full.left < 0:
                    raise StoreUnavailable("No space left on device")
                super().set(key, value, lifetime)

        folder = tmp_path / "one"
        journal = SharedCheckpointStore(FallbackStore([Full(folder), MemoryStore()]), "dag task run", 1)
        journal.open()
        with pytest.raises(ServiceUnavailable, match="progress cannot be written"):
            do(ringcx, ids, journal)
        assert passes(ringcx, ready, ids) == [1, 1, 0, 0, 0, 0]
        do(ringcx, ids, self.journal(folder, True))
        assert passes(ringcx, ready, ids) == [1] * 6
