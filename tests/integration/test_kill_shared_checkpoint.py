"""Kills of a task's process at every point; the next attempt resumes from the shared checkpoint.

Tasks of Airflow before 3.3 keep it in a :class:`SharedRecord`: in files of the host, or in Redis.
"""

from __future__ import annotations

import collections
import itertools
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.attempts import AttemptResult, AttemptRunner
from tests.support.clients import PARAMS, count_action_requests, move_params
from tests.support.processes import RedisServer, redis_server, wait_for

Rows = list[dict[str, Any]]

CHUNKS, CHUNK_SIZE = 3, 2
KILLED = AttemptResult(killed=True)
#: A port without a server.
UNREACHABLE_REDIS = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def attempt_runner() -> Iterator[AttemptRunner]:
    runner = AttemptRunner()
    yield runner
    runner.close()


@dataclass
class Task:
    """A task, its leads, and the hosts that it runs on.

    :param kind: ``manual``, ``pause``, ``copy`` or ``move``.
    :param store: where its connection keeps rate limits, tokens and checkpoints.
    :param folder: folder for the hosts' own files.
    :param max_in_flight: most requests in flight; None for the default of the action.
    """

    attempt_runner: AttemptRunner
    ringcx: SandboxServer
    leads: Rows
    folder: Path
    kind: str = "manual"
    store: str = "host"
    name: str = "dag task run"
    max_in_flight: int | None = None
    other_hosts: Iterator[int] = field(default_factory=itertools.count)
    attempts: collections.Counter[str] = field(default_factory=collections.Counter)
    series: collections.Counter[str] = field(default_factory=collections.Counter)

    def run(self, is_retry: bool, host: str = "host", kill_at: str | None = None) -> AttemptResult:
        """Run the next attempt.

        :param is_retry: Airflow retries the task. False for the first attempt, and for the first attempt
            after a person cleared the task.
        :param host: name of the host.
        :param kill_at: when its process is killed, as for ``SelfKillingCheckpoints``.
        :return: its result.
        """
        spring, summer = (self.ringcx.campaign(name) for name in ("Spring Renewals", "Summer Win-Back"))
        copy = "true" if self.kind == "copy" else "false"
        action = {"manual": "MANUAL_LEADS", "pause": "PAUSE_LEADS"}.get(self.kind, "MOVE_TO_CAMPAIGN")
        self.attempts[self.name] += 1
        self.series[self.name] += not is_retry
        return self.attempt_runner.run(
            url=self.ringcx.url,
            store=self.store,
            folder=str(self.folder / host),
            task=self.name,
            attempt=self.attempts[self.name],
            series=self.series[self.name],
            is_retry=is_retry,
            kill_at=kill_at,
            action=action,
            params=move_params(summer, copy=copy) if action == "MOVE_TO_CAMPAIGN" else PARAMS.get(action, {}),
            criteria={"campaignIds": [spring["campaignId"]], "leadIds": self.ids},
            chunk_size=CHUNK_SIZE,
            max_in_flight=self.max_in_flight,
        )

    def resume(self, is_retry: bool = True) -> AttemptResult:
        """Run the next attempt on the same host, or on another host if the store is a Redis."""
        host = "host" if self.store == "host" else f"host {next(self.other_hosts)}"
        return self.run(is_retry, host)

    @property
    def ids(self) -> list[int]:
        return [lead["leadId"] for lead in self.leads]

    def times_applied(self) -> list[int]:
        """Return how often the action was applied to each lead."""
        if self.kind == "manual":
            passes = {lead["leadId"]: lead["leadPasses"] for lead in self.ringcx.leads("Spring Renewals")}
            return [passes[lead["leadId"]] - lead["leadPasses"] for lead in self.leads]
        moved = [lead for lead in self.ringcx.leads("Summer Win-Back") if "Moved" in lead["listDesc"]]
        assert len({lead["listId"] for lead in moved}) <= 1
        arrived = collections.Counter(lead["externId"] for lead in moved)
        return [arrived[lead["externId"]] for lead in self.leads]

    def request_count(self) -> int:
        """Return the number of lead action requests that RingCX has received."""
        return count_action_requests(self.ringcx)


def assert_succeeded(result: AttemptResult) -> None:
    assert (result.error, result.message) == ("", "")


def assert_refused(result: AttemptResult) -> None:
    """Check that the attempt sent nothing because its checkpoint may be lost."""
    assert result.error == "OutcomeUnknown"
    assert f"a previous attempt may have completed some of the {CHUNKS} chunks" in result.message


@pytest.fixture
def task(ringcx: SandboxServer, ready_leads: Rows, attempt_runner: AttemptRunner, tmp_path: Path) -> Task:
    return Task(attempt_runner, ringcx, ready_leads[: CHUNKS * CHUNK_SIZE], tmp_path)


KINDS = ["copy", "manual", "move"]
#: Kill points at which no chunk is in flight: all chunks before have an outcome, none after was sent.
BETWEEN_CHUNKS = [
    *((kind, f"after done {n}") for kind in KINDS for n in range(CHUNKS)),
    # Before the second chunk and at the end, where leads are counted and the list of the copy is looked up.
    ("copy", "before in_flight 2"),
    ("copy", "before finished"),
    ("copy", "after finished"),
]
#: Whether the request was applied or lost, and the number of the chunk.
IN_FLIGHT = [(outcome, n + 1) for outcome in ("applied", "lost") for n in range(CHUNKS)]


@pytest.mark.parametrize(("kind", "kill_at"), sorted(BETWEEN_CHUNKS))
def test_retry_after_kill_between_chunks_resumes(task: Task, store: str, kind: str, kill_at: str) -> None:
    task.kind, task.store, task.max_in_flight = kind, store, 1
    assert task.run(is_retry=False, kill_at=kill_at) == KILLED
    result = task.resume()
    assert_succeeded(result)
    assert task.times_applied() == [1] * CHUNKS * CHUNK_SIZE
    assert task.request_count() == result.summary["requests"] == CHUNKS
    assert result.summary["leads_matched"] == result.summary["leads_updated"] == CHUNKS * CHUNK_SIZE


def kill_in_flight(task: Task, number: int, outcome: str) -> None:
    """Run a first attempt that is killed when RingCX has received the chunk with this number."""
    task.ringcx.fault("meanwhile", operation="lead_action", at=[number], work=task.attempt_runner.kill)
    if outcome == "lost":
        task.ringcx.fault("drop", operation="lead_action", at=[number])
    assert task.run(is_retry=False) == KILLED
    # RingCX completes the request after the process was killed.
    wait_for(lambda: task.request_count() == number)


@pytest.mark.parametrize("kind", ["copy", "manual"])
@pytest.mark.parametrize(("outcome", "number"), IN_FLIGHT)
def test_retry_after_kill_in_flight_reports_unknown_outcome(
    task: Task, store: str, kind: str, outcome: str, number: int
) -> None:
    """For actions that are not retry-safe; the attempt after a person cleared the task skips the chunk."""
    task.kind, task.store = kind, store
    kill_in_flight(task, number, outcome)
    reported = task.resume()
    assert reported.error == "OutcomeUnknown"
    assert f"interrupted in chunk {number} of {CHUNKS}" in reported.message
    assert task.request_count() == number
    result = task.resume(is_retry=False)
    assert_succeeded(result)
    applied = [int(n != number or outcome == "applied") for n in range(1, CHUNKS + 1)]
    assert task.times_applied() == [times for times in applied for _ in range(CHUNK_SIZE)]
    assert task.request_count() == result.summary["requests"] == CHUNKS
    assert result.summary["leads_matched"] == CHUNKS * CHUNK_SIZE
    assert result.summary["leads_updated"] == (CHUNKS - 1) * CHUNK_SIZE


@pytest.mark.parametrize(("outcome", "number"), IN_FLIGHT)
def test_retry_after_kill_in_flight_reconciles_move(
    task: Task, store: str, outcome: str, number: int
) -> None:
    """The outcome of a move out of a campaign is looked up, so that the retry succeeds."""
    task.kind, task.store, task.max_in_flight = "move", store, 1
    kill_in_flight(task, number, outcome)
    result = task.resume()
    assert_succeeded(result)
    assert task.times_applied() == [1] * CHUNKS * CHUNK_SIZE
    assert task.request_count() == CHUNKS + (outcome == "lost")
    # A move into an existing list is retried without reconciliation; leads that have left their campaign by
    # then are not counted.
    uncounted = CHUNK_SIZE * (outcome == "applied" and number > 1)
    expected = CHUNKS * CHUNK_SIZE - uncounted
    assert result.summary["leads_matched"] == result.summary["leads_updated"] == expected


@pytest.mark.parametrize("outcome", ["applied", "lost"])
@pytest.mark.parametrize("kind", ["manual", "pause"])
def test_retry_after_kill_with_all_chunks_in_flight(task: Task, store: str, kind: str, outcome: str) -> None:
    task.kind, task.store, task.max_in_flight = kind, store, CHUNKS
    all_sent = threading.Barrier(CHUNKS, action=task.attempt_runner.kill, timeout=20)
    task.ringcx.fault("meanwhile", operation="lead_action", times=CHUNKS, work=all_sent.wait)
    if outcome == "lost":
        task.ringcx.fault("drop", operation="lead_action", times=CHUNKS)
    assert task.run(is_retry=False) == KILLED
    wait_for(lambda: task.request_count() == CHUNKS)
    retried = task.resume()
    if kind == "pause":
        assert_succeeded(retried)
        assert {lead["leadState"] for lead in task.ringcx.leads() if lead["leadId"] in task.ids} == {"PAUSED"}
        assert task.request_count() == 2 * CHUNKS
        return
    assert retried.error == "OutcomeUnknown"
    assert "unknown for chunks 1, 2, 3 of 3" in retried.message
    result = task.resume(is_retry=False)
    assert_succeeded(result)
    assert task.request_count() == CHUNKS
    assert task.times_applied() == [int(outcome == "applied")] * CHUNKS * CHUNK_SIZE
    assert result.summary["leads_unknown"] == CHUNKS * CHUNK_SIZE


@pytest.mark.parametrize("number", range(1, 2 * CHUNKS + 2))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_retry_after_kill_at_any_checkpoint_with_several_in_flight(
    task: Task, store: str, moment: str, number: int
) -> None:
    """No action is duplicated; only those of the chunks that the error names may be left undone."""
    task.store, task.max_in_flight = store, 2
    assert task.run(is_retry=False, kill_at=f"{moment} save {number}") == KILLED
    named: set[int] = set()
    result = task.resume()
    if result.error:
        assert result.error == "OutcomeUnknown"
        (numbers,) = re.findall(r"chunks? ([\d, ]+) of 3", result.message)[-1:]
        named = {int(each) for each in numbers.split(", ")}
        result = task.resume(is_retry=False)
    assert_succeeded(result)
    for index, times in enumerate(task.times_applied()):
        assert times == 1 or (times == 0 and index // CHUNK_SIZE + 1 in named)
    assert result.summary.get("leads_unknown", 0) == CHUNK_SIZE * len(named)


def test_checkpoint_of_another_task_is_not_used(task: Task, store: str) -> None:
    task.store = store
    other = replace(task, name="dag another_task run")
    assert task.run(is_retry=False, kill_at="after done 1") == KILLED
    refused = other.resume()
    assert (refused.error, task.request_count()) == ("OutcomeUnknown", 1)
    assert other.resume(is_retry=False).summary["requests"] == CHUNKS
    assert task.resume().summary["requests"] == CHUNKS
    assert task.times_applied() == [2] * CHUNKS * CHUNK_SIZE
    assert task.request_count() == 2 * CHUNKS


@pytest.fixture
def stoppable_redis() -> Iterator[RedisServer]:
    """A Redis server for a test that stops it."""
    with redis_server() as server:
        yield server


def stop_in_flight(task: Task, redis: RedisServer) -> AttemptResult:
    task.ringcx.fault("meanwhile", operation="lead_action", at=[2], work=redis.stop)
    return task.run(is_retry=False)


def stop_before_first_chunk(task: Task, redis: RedisServer) -> AttemptResult:
    task.ringcx.fault("meanwhile", operation="lead_count", at=[1], work=redis.stop)
    return task.run(is_retry=False)


def stop_between_attempts(task: Task, redis: RedisServer) -> AttemptResult:
    result = task.run(is_retry=False, kill_at="after done 2")
    redis.stop()
    return result


#: When Redis stops, and the number of chunks that were sent by then.
REDIS_STOPS = {
    "before-first-chunk": (stop_before_first_chunk, 0),
    "between-attempts": (stop_between_attempts, 2),
    "in-flight": (stop_in_flight, 2),
}


def run_until_redis_stops(task: Task, redis: RedisServer, case: str) -> int:
    """Run a first attempt and stop Redis; return the number of chunks that were sent."""
    task.store = redis.url
    run_and_stop, sent = REDIS_STOPS[case]
    result = run_and_stop(task, redis)
    if not result.killed:
        assert result.error == "ServiceUnavailable"
        assert "Cannot save the checkpoint in Redis" in result.message
    assert task.request_count() == sent
    return sent


@pytest.mark.parametrize("case", sorted(REDIS_STOPS))
def test_retry_on_same_host_without_redis_resumes_from_files(
    task: Task, stoppable_redis: RedisServer, case: str
) -> None:
    run_until_redis_stops(task, stoppable_redis, case)
    result = task.run(is_retry=True)
    assert_succeeded(result)
    assert task.times_applied() == [1] * CHUNKS * CHUNK_SIZE
    assert task.request_count() == CHUNKS
    assert result.summary["leads_updated"] == CHUNKS * CHUNK_SIZE


@pytest.mark.parametrize("case", sorted(REDIS_STOPS))
def test_retry_on_other_host_without_redis_is_refused(
    task: Task, stoppable_redis: RedisServer, case: str
) -> None:
    sent = run_until_redis_stops(task, stoppable_redis, case)
    assert_refused(task.run(is_retry=True, host="other host"))
    assert task.request_count() == sent


def test_newer_checkpoint_in_files_wins_over_redis(task: Task, stoppable_redis: RedisServer) -> None:
    """Redis has the checkpoint from before the host lost its connection to Redis."""
    task.store = stoppable_redis.url
    assert task.run(is_retry=False, kill_at="after done 1") == KILLED
    without_redis = replace(task, store=UNREACHABLE_REDIS)
    assert without_redis.run(is_retry=True, kill_at="after done 2") == KILLED
    assert task.run(is_retry=True).summary["requests"] == CHUNKS
    assert task.times_applied() == [1] * CHUNKS * CHUNK_SIZE


class TestStaleCheckpoint:
    """The newest checkpoint is from an attempt before the previous one, whose progress is unknown."""

    def assert_retry_is_refused(self, task: Task, host: str = "host") -> None:
        assert_refused(task.run(is_retry=True, host=host))
        assert max(task.times_applied()) == 1

    def test_retry_after_attempt_without_redis_is_refused(
        self, task: Task, stoppable_redis: RedisServer
    ) -> None:
        task.store = stoppable_redis.url
        assert task.run(is_retry=False, kill_at="after done 1") == KILLED
        without_redis = replace(task, store=UNREACHABLE_REDIS)
        assert without_redis.run(is_retry=True, kill_at="after done 2") == KILLED
        self.assert_retry_is_refused(task, host="other host")

    @pytest.mark.parametrize("redis_state", ["restarted-empty", "stopped"])
    def test_retry_after_redis_lost_newer_checkpoint_is_refused(
        self, task: Task, stoppable_redis: RedisServer, redis_state: str
    ) -> None:
        task.store = stoppable_redis.url
        assert task.run(is_retry=False, kill_at="after done 1") == KILLED
        assert task.run(is_retry=True, host="other host", kill_at="after done 2") == KILLED
        stoppable_redis.stop()
        if redis_state == "restarted-empty":
            stoppable_redis.start()
        self.assert_retry_is_refused(task)

    def test_retry_after_restart_on_other_host_is_refused(self, task: Task) -> None:
        """A person cleared the task, and the action started from the beginning on another host."""
        assert task.run(is_retry=False, kill_at="after done 1") == KILLED
        assert task.run(is_retry=True, host="other host").error == "OutcomeUnknown"
        assert task.run(is_retry=False, host="other host", kill_at="after done 2") == KILLED
        assert task.run(is_retry=True).error == "OutcomeUnknown"
        # The first chunk was applied again because the task was cleared; the retry applied nothing.
        assert task.times_applied() == [2, 2, 1, 1, 0, 0]

    def test_retry_after_failed_sign_in_resumes(self, task: Task) -> None:
        """An attempt that failed before its first chunk does not make the checkpoint stale."""
        assert task.run(is_retry=False, kill_at="after done 1") == KILLED
        task.ringcx.fault("status", status=403, operation="lead_count", times=1)
        assert task.run(is_retry=True).error
        assert task.run(is_retry=True).summary["requests"] == CHUNKS
        assert task.times_applied() == [1] * CHUNKS * CHUNK_SIZE


def test_retry_after_kill_before_reporting_reports_again(task: Task, store: str) -> None:
    """The process was killed after it saved ``outcome_reported``, but before it raised the error."""
    task.store = store
    kill_in_flight(task, 2, "lost")
    assert task.run(is_retry=True, kill_at="after outcome_reported 2") == KILLED
    assert task.resume().error == "OutcomeUnknown"
    result = task.resume(is_retry=False)
    assert task.times_applied() == [1, 1, 0, 0, 1, 1]
    assert result.summary["requests"] == CHUNKS
