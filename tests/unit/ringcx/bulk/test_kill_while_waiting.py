"""A task that is killed while it waits for RingCX's limits has surely not sent what it was waiting with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_provider_engagevoice.operators.checkpoints import TaskStateCheckpointStore
from airflow_provider_engagevoice.ringcx.auth.schemes import RingCentralJwtAuth
from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import PARAMS, Clock, client_of


class Store(dict[str, str]):
    """Airflow's task state store, as far as it is used."""

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def begun(self) -> int | None:
        """The request that was begun."""
        number: int | None = json.loads(next(iter(self.values())))["begun"]
        return number


class Killed(BaseException):
    """Ends a task at once, and nothing is written after it."""


class Gate(RateLimiter):
    """Kills the task as it waits with the request of this number."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number

    def _book(self, limit: RateLimit) -> float:
        self._left -= limit.operation == "lead_action"
        if not self._left:
            raise Killed
        return 0.0


def do(ringcx: SandboxServer, ids: list[int], store: Store, *, retried: bool, gate: int = -1) -> ActionResult:
    client = client_of(ringcx.url)
    client.transport.limiter = Gate(gate)
    act = BulkAction.of("MANUAL_LEADS", Selection({"leadIds": ids}), PARAMS["MANUAL_LEADS"], chunk_size=2)
    return client.lead_actions().execute(act, TaskStateCheckpointStore(store, retried))


@pytest.mark.parametrize("request_number", [1, 2, 3])
def test_it_goes_on_with_that_request(
    ringcx: SandboxServer, ready: list[dict[str, Any]], request_number: int
) -> None:
    leads, store = ready[:6], Store()
    ids = [lead["leadId"] for lead in leads]
    with pytest.raises(Killed):
        do(ringcx, ids, store, retried=False, gate=request_number)
    summary = do(ringcx, ids, store, retried=True)
    now = {lead["leadId"]: lead["leadPasses"] for lead in ringcx.leads()}
    assert [now[lead["leadId"]] - lead["leadPasses"] for lead in leads] == [1] * 6
    assert (summary["leads_updated"], summary["requests"]) == (6, 3)


@pytest.mark.parametrize("status", [401, 429])
def test_a_request_that_was_refused_and_waits_to_be_sent_again_has_not_been_begun(
    ringcx: SandboxServer, ready: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """A 401 has the token renewed, after a 429 some seconds go by."""

    def kill(*args: object) -> None:
        raise Killed

    leads, store = ready[:6], Store()
    ids = [lead["leadId"] for lead in leads]
    ringcx.fault("status", status=status, operation="lead_action", at=[2])
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr("airflow_provider_engagevoice.ringcx.concurrency.wait_until", kill)
        patch.setattr(RingCentralJwtAuth, "refresh", kill)
        do(ringcx, ids, store, retried=False)
    assert store.begun() is None
    summary = do(ringcx, ids, store, retried=True)
    assert (summary["leads_updated"], summary["requests"]) == (6, 3)


def test_a_request_is_noted_before_it_is_sent(ringcx: SandboxServer, ready: list[dict[str, Any]]) -> None:
    store, seen = Store(), []
    ringcx.fault("meanwhile", operation="lead_action", at=[1, 2], work=lambda: seen.append(store.begun()))
    do(ringcx, [lead["leadId"] for lead in ready[:4]], store, retried=False)
    assert seen == [0, 1]
    assert store.begun() is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Waiting takes no time."""
    clock = Clock()
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.ratelimit.limiter.time", clock)
    monkeypatch.setattr(
        "airflow_provider_engagevoice.ringcx.concurrency.wait_until",
        lambda seconds, over: clock.sleep(seconds),
    )
    return clock


@dataclass
class Notes:
    """Notes what it is told, which takes time."""

    clock: Clock
    takes: Iterator[float]
    told: list[str] = field(default_factory=list)

    def on_attempt(self) -> None:
        self.told.append("begins")
        self.clock.sleep(next(self.takes))

    def on_not_applied(self) -> None:
        self.told.append("undone")


@pytest.mark.parametrize(
    ("takes", "waits", "told"),
    [
        ([0.0], [], ["begins"]),
        ([0.5], [], ["begins"]),
        # What waits for seconds is not under way; the next time it is noted as much sooner.
        ([1.1, 1.1], [5.9], ["begins", "undone", "begins"]),
    ],
    ids=["at-once", "late", "too-late"],
)
def test_a_moment_that_goes_by_while_it_is_noted_is_not_used(
    clock: Clock, takes: list[float], waits: list[float], told: list[str]
) -> None:
    """Requests that booked after it count on it that it was on time, or half a pad late at most."""
    notes = Notes(clock, iter(takes))
    limit = RateLimit("key", "lead_action", (RateWindow(1, 5.0),))
    RateLimiter(pad=2.0).wait(limit, observer=notes)
    assert [each for each in clock.pauses if each > 2.0] == pytest.approx(waits, abs=0.2)
    assert notes.told == told


def test_a_request_is_noted_only_when_its_moment_is_near(clock: Clock) -> None:
    limiter, limit = RateLimiter(pad=0.0), RateLimit("key", "lead_action", (RateWindow(1, 10.0),))
    limiter.wait(limit)
    limiter.wait(limit, observer=Notes(clock, iter([0.0])))
    assert clock.pauses == pytest.approx([9.75, 0.0, 0.25], abs=0.1)
