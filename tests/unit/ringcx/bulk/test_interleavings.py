"""Any interleaving of responses, faults and kills ends as an unbroken run, or names the ambiguous chunks."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_engagevoice.hooks.checkpoints import TaskStateRecord
from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints
from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.exceptions import (
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
    TransientError,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Sleep
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.ringcx.transport.http import ApiRequest
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind
from tests.support.bulk import FakeTaskStateStore, Killed
from tests.support.clients import ACCOUNT, PARAMS, FakeClock, make_client

CHUNKS = 6
NAMED = re.compile(r"chunks? ([\d, ]+) of 6")


class TimeLimit(BaseException):
    """Raised in a task by Airflow; not an ``Exception``."""


@dataclass
class World:
    """RingCX and the task's checkpoints. They outlive an attempt that is killed.

    :param faults: the faults of the coming lead actions, in the order in which they are answered; then none.
    :param events: what happens to the task, by the number of the response before which it happens.
    :param draw: draws a whole number up to a limit.
    """

    faults: Iterator[str]
    events: dict[int, str]
    draw: Any
    applied: Counter[int] = field(default_factory=Counter)
    ambiguous: set[int] = field(default_factory=set)
    in_flight: list[Any] = field(default_factory=list)
    responses: int = 0
    is_dead: bool = False
    store: FakeTaskStateStore = field(default_factory=FakeTaskStateStore)

    def respond(self, request: ApiRequest) -> Any:
        """Answer a request as RingCX and the network do."""
        criteria = request.json.get("campaignLeadSearchCriteria", request.json)
        (chunk,) = criteria["leadIds"]
        if "campaignLeadSearchCriteria" not in request.json:
            return 1
        fault = next(self.faults, "none")
        if fault == "429":
            raise http._AttemptFailed(RateLimited("429"), FailureKind.RATE_LIMITED)
        if fault != "lost before":
            self.applied[chunk] += 1
        if fault.startswith("lost"):
            self.ambiguous.add(chunk)
            raise http._AttemptFailed(ServiceUnavailable("No response"), FailureKind.NO_RESPONSE)
        return {"success": True, "leadUpdateCount": 1}

    def abandon(self) -> None:
        """Stop awaiting responses; RingCX may still apply what is in flight."""
        self.ambiguous |= {int(number) for number in self.saved_in_flight()}
        for call in self.in_flight:
            request = call.step.function.args[0]
            if "campaignLeadSearchCriteria" in request.json and self.draw(1):
                self.applied[request.json["campaignLeadSearchCriteria"]["leadIds"][0]] += 1

    def saved_in_flight(self) -> list[int]:
        """Return the leads of the chunks in flight, by the checkpoint that was saved last."""
        record = json.loads(next(iter(self.store.values()), "{}"))
        checkpoints = record.get("checkpoints") or [{}]
        return [int(number) + 1 for number in checkpoints[-1].get("in_flight", {})]


@dataclass
class Schedule:
    """Decides, in the place of threads and time, which call in flight of a pipeline returns next.

    :param world: draws the order and what happens to the task.
    """

    world: World
    clock: FakeClock = field(default_factory=FakeClock)

    def start(self, call: Any) -> None:
        assert call.claim()
        self.world.in_flight.append(call)

    def wait(self, pipeline: Pipeline) -> None:
        world = self.world
        if world.is_dead:
            raise Killed
        if not world.in_flight:
            now = self.clock.monotonic()
            left = [work.resume_at - now for work in pipeline._active if isinstance(work.step, Sleep)]
            self.clock.sleep(max(0.0, min(left)))
            return
        world.responses += 1
        self.happen(world.events.pop(world.responses, ""), pipeline)
        call = world.in_flight.pop(world.draw(len(world.in_flight) - 1))
        try:
            call.response = (call.step.function(), None)
        except BaseException as error:
            call.response = (None, error)

    def happen(self, event: str, pipeline: Pipeline) -> None:
        """Let something happen to the task."""
        if event == "cancel":
            pipeline.cancel_token.cancel()
        elif event == "time limit":
            if pipeline._is_interrupted:
                self.world.abandon()
            raise TimeLimit
        elif event == "kill":
            self.world.is_dead = True
            self.world.abandon()
            raise Killed


@contextmanager
def simulated(world: World) -> Iterator[None]:
    schedule = Schedule(world)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pipeline, "_start", lambda pipeline, call: schedule.start(call))
        patch.setattr(Pipeline, "_wait", lambda pipeline: schedule.wait(pipeline))
        patch.setattr(http.HttpTransport, "_attempt", lambda self, request, headers: world.respond(request))
        for module in ("bulk.pipeline", "transport.http"):
            patch.setattr(f"airflow_provider_engagevoice.ringcx.{module}.clock", schedule.clock)
        yield


class SimulatedCheckpoints(AttemptCheckpoints):
    """Checkpoints that a killed attempt can no longer save."""

    world: World

    def save(self, number: int, checkpoint: Mapping[str, Any]) -> None:
        if self.world.is_dead:
            raise Killed
        super().save(number, checkpoint)


def run_attempt(
    world: World, name: str, max_in_flight: int, number: int, series: int, is_retry: bool
) -> ActionResult:
    world.is_dead, world.in_flight = False, []
    client = make_client("https://ringcx.example.com", "api_token")
    checkpoints = SimulatedCheckpoints(TaskStateRecord(world.store), Attempt(number, series, is_retry))
    checkpoints.world = world
    action = BulkAction.create(
        name,
        Selection({"leadIds": list(range(1, CHUNKS + 1))}),
        PARAMS.get(name, {}),
        chunk_size=1,
        max_in_flight=max_in_flight,
    )
    return client.lead_actions(ACCOUNT).execute(action, checkpoints.next_action())


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(["CANCEL_LEADS", "MANUAL_LEADS"]),
    max_in_flight=st.integers(1, 4),
    faults=st.lists(st.sampled_from(["none", "429", "lost before", "lost after"]), max_size=8),
    events=st.dictionaries(st.integers(1, 20), st.sampled_from(["kill", "cancel", "time limit"]), max_size=3),
    data=st.data(),
)
def test_any_interleaving_ends_as_an_unbroken_run(
    name: str, max_in_flight: int, faults: list[str], events: dict[int, str], data: st.DataObject
) -> None:
    world = World(iter(faults), dict(events), lambda most: data.draw(st.integers(0, most)))
    is_retry_safe = name == "CANCEL_LEADS"
    named: set[int] = set()
    series, is_retry, result = 1, False, None
    with simulated(world):
        for number in itertools.count(1):
            assert number < 20
            try:
                result = run_attempt(world, name, max_in_flight, number, series, is_retry)
                break
            except (Killed, TimeLimit, TransientError):
                is_retry = True
            except OutcomeUnknown as error:
                assert not is_retry_safe
                named |= {int(each) for text in NAMED.findall(str(error)) for each in text.split(", ")}
                assert named == world.ambiguous
                series, is_retry = series + 1, False
    assert result is not None
    chunks = set(range(1, CHUNKS + 1))
    if is_retry_safe:
        assert set(world.applied) == chunks
        assert result["leads_updated"] == CHUNKS
    else:
        assert all(world.applied[chunk] == 1 for chunk in chunks - named)
        assert all(world.applied[chunk] <= 1 for chunk in named)
        assert result["leads_updated"] + result.get("leads_unknown", 0) == CHUNKS
        assert result.get("leads_unknown", 0) == len(named)
