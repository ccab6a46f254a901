"""A task's process is killed at every moment; the next try goes on with the progress that is shared.

That is where tasks of Airflow before 3.3 keep it: in files of the host, or in Redis for all hosts.
"""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.attempts import Ended, Tries
from tests.support.clients import PARAMS, count_action_requests, move_params
from tests.support.processes import RedisServer, redis_server, until

Rows = list[dict[str, Any]]

CHUNKS, SIZE = 3, 2
KILLED = Ended(killed=True)
#: Nobody is there.
AWAY = "redis://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def tries() -> Iterator[Tries]:
    tries = Tries()
    yield tries
    tries.close()


@dataclass
class Task:
    """A task, its leads, and the hosts that it runs on.

    :param kind: ``manual``, ``copy`` or ``move``.
    :param store: where its connection shares limits and tokens.
    :param folder: for the hosts' own files.
    """

    tries: Tries
    ringcx: SandboxServer
    leads: Rows
    folder: Path
    kind: str = "manual"
    store: str = "host"
    name: str = "dag task run"
    hosts: Iterator[int] = field(default_factory=itertools.count)
    begun: collections.Counter[str] = field(default_factory=collections.Counter)

    def run(self, retried: bool, host: str = "host", dies: str | None = None) -> Ended:
        """Run the next try.

        :param retried: it follows an earlier one by itself; False for the first, and after a person's clear.
        :param host: name of the host.
        :param dies: when its process is killed, as for ``MortalJournal``.
        :return: how it ended.
        """
        spring, summer = (self.ringcx.campaign(name) for name in ("Spring Renewals", "Summer Win-Back"))
        copy = "true" if self.kind == "copy" else "false"
        manual = self.kind == "manual"
        self.begun[self.name] += 1
        return self.tries.run(
            url=self.ringcx.url,
            store=self.store,
            folder=str(self.folder / host),
            task=self.name,
            number=self.begun[self.name],
            retried=retried,
            dies=dies,
            action="MANUAL_LEADS" if manual else "MOVE_TO_CAMPAIGN",
            params=PARAMS["MANUAL_LEADS"] if manual else move_params(summer, copy=copy),
            criteria={"campaignIds": [spring["campaignId"]], "leadIds": self.ids},
            chunk_size=SIZE,
        )

    def retry(self, retried: bool = True) -> Ended:
        """Run the next try where it is to go on: where all hosts share a Redis, on another one."""
        host = "host" if self.store == "host" else f"host {next(self.hosts)}"
        return self.run(retried, host)

    @property
    def ids(self) -> list[int]:
        return [lead["leadId"] for lead in self.leads]

    def done(self) -> list[int]:
        """Tell how often each lead was acted on."""
        if self.kind == "manual":
            passes = {lead["leadId"]: lead["leadPasses"] for lead in self.ringcx.leads("Spring Renewals")}
            return [passes[lead["leadId"]] - lead["leadPasses"] for lead in self.leads]
        moved = [lead for lead in self.ringcx.leads("Summer Win-Back") if "Moved" in lead["listDesc"]]
        assert len({lead["listId"] for lead in moved}) <= 1
        arrived = collections.Counter(lead["externId"] for lead in moved)
        return [arrived[lead["externId"]] for lead in self.leads]

    def count_action_requests(self) -> int:
        """Tell how many requests to act have reached RingCX."""
        return count_action_requests(self.ringcx)


@pytest.fixture
def task(ringcx: SandboxServer, ready_leads: Rows, tries: Tries, tmp_path: Path) -> Task:
    return Task(tries, ringcx, ready_leads[: CHUNKS * SIZE], tmp_path)


KINDS = ["copy", "manual", "move"]
#: Nothing is under way: each request before it has its outcome, none after it is begun.
BETWEEN = [
    *((kind, f"after done {n}") for kind in KINDS for n in range(CHUNKS)),
    # A boundary from its other side: leads are counted, the list of the copy is found.
    ("copy", "before begun 2"),
    ("copy", "before finished"),
    ("copy", "after finished"),
]
#: What became of the request, and its number.
INSIDE = [(fate, n + 1) for fate in ("applied", "lost") for n in range(CHUNKS)]


@pytest.mark.parametrize(("kind", "moment"), sorted(BETWEEN))
def test_killed_between_two_requests(task: Task, store: str, kind: str, moment: str) -> None:
    task.kind, task.store = kind, store
    assert task.run(retried=False, dies=moment) == KILLED
    ended = task.retry()
    assert (ended.error, ended.text) == ("", "")
    assert task.done() == [1] * CHUNKS * SIZE
    assert task.acted() == ended.summary["requests"] == CHUNKS
    assert ended.summary["leads_matched"] == ended.summary["leads_updated"] == CHUNKS * SIZE


def kill_inside(task: Task, number: int, fate: str) -> None:
    """Run a first try that is killed when RingCX has its request of this number."""
    task.ringcx.fault("meanwhile", operation="lead_action", at=[number], work=task.tries.kill)
    if fate == "lost":
        task.ringcx.fault("drop", operation="lead_action", at=[number])
    assert task.run(retried=False) == KILLED
    # RingCX works on after the process has ended.
    until(lambda: task.acted() == number)


@pytest.mark.parametrize("kind", ["copy", "manual"])
@pytest.mark.parametrize(("fate", "number"), INSIDE)
def test_killed_inside_a_request_that_must_not_be_repeated(
    task: Task, store: str, kind: str, fate: str, number: int
) -> None:
    """Nobody knows what it did: the next try says so, and the one after a person's clear leaves it out."""
    task.kind, task.store = kind, store
    kill_inside(task, number, fate)
    told = task.retry()
    assert told.error == "OutcomeUnknown"
    assert f"broken off in request {number} of {CHUNKS}" in told.text
    assert task.acted() == number
    ended = task.retry(retried=False)
    assert (ended.error, ended.text) == ("", "")
    each = [int(n != number or fate == "applied") for n in range(1, CHUNKS + 1)]
    assert task.done() == [times for times in each for _ in range(SIZE)]
    assert task.acted() == ended.summary["requests"] == CHUNKS
    assert ended.summary["leads_matched"] == CHUNKS * SIZE
    assert ended.summary["leads_updated"] == (CHUNKS - 1) * SIZE


@pytest.mark.parametrize(("fate", "number"), INSIDE)
def test_killed_inside_a_move_out_of_a_campaign(task: Task, store: str, fate: str, number: int) -> None:
    """What it did is looked up, and nobody is asked."""
    task.kind, task.store = "move", store
    kill_inside(task, number, fate)
    ended = task.retry()
    assert (ended.error, ended.text) == ("", "")
    assert task.done() == [1] * CHUNKS * SIZE
    assert task.acted() == CHUNKS + (fate == "lost")
    # A move into a list that is there is simply repeated: leads that are gone from their campaign by then are
    # in no count.
    uncounted = SIZE * (fate == "applied" and number > 1)
    assert ended.summary["leads_matched"] == ended.summary["leads_updated"] == CHUNKS * SIZE - uncounted


def test_another_task_does_not_see_the_progress(task: Task, store: str) -> None:
    task.store = store
    other = replace(task, name="dag another_task run")
    assert task.run(retried=False, dies="after done 1") == KILLED
    refused = other.retry()
    assert (refused.error, task.acted()) == ("OutcomeUnknown", 1)
    assert other.retry(retried=False).summary["requests"] == CHUNKS
    assert task.retry().summary["requests"] == CHUNKS
    assert task.done() == [2] * CHUNKS * SIZE
    assert task.acted() == 2 * CHUNKS


@pytest.fixture
def leaving() -> Iterator[RedisServer]:
    """A Redis server for a test that stops it."""
    with redis_server() as server:
        yield server


def stop_in_action(task: Task, redis: RedisServer) -> Ended:
    task.ringcx.fault("meanwhile", operation="lead_action", at=[2], work=redis.stop)
    return task.run(retried=False)


def stop_before_action(task: Task, redis: RedisServer) -> Ended:
    task.ringcx.fault("meanwhile", operation="lead_count", at=[1], work=redis.stop)
    return task.run(retried=False)


def stop_between_tries(task: Task, redis: RedisServer) -> Ended:
    ended = task.run(retried=False, dies="after done 2")
    redis.stop()
    return ended


#: When Redis goes away, and how many requests are done by then.
LEAVINGS = {
    "before-the-first-request": (stop_before_action, 0),
    "between-two-tries": (stop_between_tries, 2),
    "inside-a-request": (stop_in_action, 2),
}


def leave(task: Task, redis: RedisServer, case: str) -> int:
    """Run a first try, and let Redis go away; give how many requests are done."""
    task.store = redis.url
    run, done = LEAVINGS[case]
    ended = run(task, redis)
    if not ended.killed:
        assert ended.error == "ServiceUnavailable"
        assert "progress cannot be written to Redis any more" in ended.text
    assert task.acted() == done
    return done


@pytest.mark.parametrize("case", sorted(LEAVINGS))
def test_where_redis_goes_away_the_files_of_the_host_serve(
    task: Task, leaving: RedisServer, case: str
) -> None:
    leave(task, leaving, case)
    ended = task.run(retried=True)
    assert (ended.error, ended.text) == ("", "")
    assert task.done() == [1] * CHUNKS * SIZE
    assert task.acted() == CHUNKS
    assert ended.summary["leads_updated"] == CHUNKS * SIZE


@pytest.mark.parametrize("case", sorted(LEAVINGS))
def test_where_redis_goes_away_another_host_refuses_to_guess(
    task: Task, leaving: RedisServer, case: str
) -> None:
    done = leave(task, leaving, case)
    ended = task.run(retried=True, host="another host")
    assert ended.error == "OutcomeUnknown"
    assert f"some or all of the {CHUNKS} requests" in ended.text
    assert task.acted() == done


def test_files_of_the_host_that_know_more_than_redis_are_believed(task: Task, leaving: RedisServer) -> None:
    """Redis has what it had when the host lost sight of it."""
    task.store = leaving.url
    assert task.run(retried=False, dies="after done 1") == KILLED
    away = replace(task, store=AWAY)
    assert away.run(retried=True, dies="after done 2") == KILLED
    assert task.run(retried=True).summary["requests"] == CHUNKS
    assert task.done() == [1] * CHUNKS * SIZE


class TestWhatAnOlderTryNoted:
    """Another try has been at work since: nobody here knows what that one did."""

    def refused(self, task: Task, host: str = "host") -> None:
        ended = task.run(retried=True, host=host)
        assert ended.error == "OutcomeUnknown"
        assert f"some or all of the {CHUNKS} requests" in ended.text
        assert max(task.done()) == 1

    def test_where_redis_was_away_for_one_try(self, task: Task, leaving: RedisServer) -> None:
        task.store = leaving.url
        assert task.run(retried=False, dies="after done 1") == KILLED
        assert replace(task, store=AWAY).run(retried=True, dies="after done 2") == KILLED
        self.refused(task, host="another host")

    @pytest.mark.parametrize("what", ["restarted-empty", "stopped"])
    def test_where_another_host_went_on_and_redis_is_gone_since(
        self, task: Task, leaving: RedisServer, what: str
    ) -> None:
        task.store = leaving.url
        assert task.run(retried=False, dies="after done 1") == KILLED
        assert task.run(retried=True, host="another host", dies="after done 2") == KILLED
        leaving.stop()
        if what == "restarted-empty":
            leaving.start()
        self.refused(task)

    def test_where_a_person_had_it_start_over_on_another_host(self, task: Task) -> None:
        assert task.run(retried=False, dies="after done 1") == KILLED
        assert task.run(retried=True, host="another host").error == "OutcomeUnknown"
        assert task.run(retried=False, host="another host", dies="after done 2") == KILLED
        assert task.run(retried=True).error == "OutcomeUnknown"
        # Once more by that person's wish, and not again.
        assert task.done() == [2, 2, 1, 1, 0, 0]

    def test_a_try_that_only_failed_to_sign_in_leaves_no_gap(self, task: Task) -> None:
        assert task.run(retried=False, dies="after done 1") == KILLED
        task.ringcx.fault("status", status=403, operation="lead_count", times=1)
        assert task.run(retried=True).error
        assert task.run(retried=True).summary["requests"] == CHUNKS
        assert task.done() == [1] * CHUNKS * SIZE


def test_who_was_killed_before_it_could_tell_has_told_nobody(task: Task, store: str) -> None:
    task.store = store
    kill_inside(task, 2, "lost")
    assert task.run(retried=True, dies="after told 2") == KILLED
    assert task.retry().error == "OutcomeUnknown"
    ended = task.retry(retried=False)
    assert task.done() == [1, 1, 0, 0, 1, 1]
    assert ended.summary["requests"] == CHUNKS
