"""Promise 2, an action is never repeated by guesswork: every cell of docs/retry-semantics.md."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    ActionRejected,
    EngageVoiceError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.integration.retry_cells import (
    FAULTS,
    SHORT,
    TABLE,
    Cell,
    Expected,
    World,
    cells,
    forward,
    wait_for,
)
from tests.support.clients import FakeClock, make_client
from tests.support.raw_server import raw_server

pytestmark = pytest.mark.usefixtures("clock")

AGENT = "cell/1.0"


class TaskEnds(BaseException):
    """Stands for Airflow's task time-out, which a signal raises in the midst of anything."""


ERRORS: dict[str, type[BaseException]] = {
    "web page": UnexpectedResponse,
    "broken JSON": UnexpectedResponse,
    "other JSON": UnexpectedResponse,
    "other 4xx": AccessDenied,
    "`success: false`": ActionRejected,
    "end of the task": TaskEnds,
}


@pytest.fixture(scope="session")
def cell_server() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(size=300, limits="off")) as server:
        yield server


_EXPECTED: dict[str, Expected] = {}


def expected_of(server: SandboxServer, variant: Any) -> Expected:
    """What becomes of the world where nothing goes wrong; tried once for each action."""
    if variant.label not in _EXPECTED:
        _EXPECTED[variant.label] = Expected.of(server, variant)
    return _EXPECTED[variant.label]


@pytest.fixture
def task_ends() -> Iterator[Callable[[], object]]:
    """End the task when called, as soon as its thread waits again."""

    def end(number: int, frame: object) -> None:
        raise TaskEnds

    before = signal.signal(signal.SIGUSR1, end)
    thread = threading.main_thread().ident or 0
    yield lambda: signal.pthread_kill(thread, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def attempt(world: World, cell: Cell, clock: FakeClock, task_ends: Callable[[], object]) -> Any:
    """Do the action while its request fails in the cell's way; give the summary or the error."""
    server = world.server
    params = world.params(cell.variant)
    if cell.failure is FailureKind.INTERRUPTED:
        server.fault("meanwhile", work=task_ends, operation="lead_action")
    if FAULTS[cell.way]:
        server.fault(**FAULTS[cell.way], when=cell.moment, operation="lead_action")
    with raw_server(lambda number, request: forward(server, request), listening=False) as closed:
        refused = cell.failure is FailureKind.NOT_SENT
        client = make_client(closed.url if refused else server.url, "api_token")
        client.transport.user_agent = AGENT
        if cell.way == "time-out":
            client.transport.timeout = (20.0, SHORT)

        def between_tries() -> None:
            client.transport.timeout = (20.0, 20.0)
            if refused:
                closed.listen()
                return
            wait_for(world, AGENT, 1)
            if cell.moment == "after":
                world.call_leads()

        clock.on_pause = between_tries
        try:
            return world.perform(cell.variant.action.name, params, client.request)
        except (EngageVoiceError, TaskEnds) as error:
            return error
        finally:
            wait_for(world, AGENT, 1)
            client.close()


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_what_happens_is_what_the_table_says(
    cell_server: SandboxServer, clock: FakeClock, task_ends: Callable[[], object], cell: Cell
) -> None:
    expected = expected_of(cell_server, cell.variant)
    world = World(cell_server)
    world.prepare(cell.variant)
    clock.pauses.clear()

    outcome = attempt(world, cell, clock, task_ends)

    done = cell.moment == "after"
    again = cell.word == "retry"
    assert world.sent(AGENT) == (2 if again and cell.failure is not FailureKind.NOT_SENT else 1)
    assert len(clock.pauses) == again
    if again and done:
        # Agents have called them meanwhile, and the second request must not have them called once more.
        assert world.look() == expected.called
        assert outcome["leads_matched"] == 3
        return
    assert world.look() == (expected.once if done or again else expected.untouched)
    if again or (cell.word == "reconcile" and done):
        assert outcome == expected.summary
    elif cell.word == "fail":
        assert type(outcome) is ERRORS[cell.way]
        assert not isinstance(outcome, TransientError)
    else:
        assert type(outcome) is OutcomeUnknown
        assert isinstance(outcome, PermanentError)
        assert ("3 of 3 leads are still in the source" in str(outcome)) == (cell.word == "reconcile")


#: What is promised for each way to fail: of an action that may be repeated, of one that must not, and of a
#: move into a new list.
PROMISED = {
    "no connection": ("retry", "retry", "retry"),
    "429": ("retry", "retry", "retry"),
    "dropped": ("retry", "unknown", "reconcile"),
    "cut off": ("retry", "unknown", "reconcile"),
    "time-out": ("retry", "unknown", "reconcile"),
    "5xx or 408": ("retry", "unknown", "reconcile"),
    "web page": ("fail", "unknown", "reconcile"),
    "broken JSON": ("fail", "unknown", "reconcile"),
    "other JSON": ("fail", "unknown", "reconcile"),
    "other 4xx": ("fail", "fail", "fail"),
    "`success: false`": ("fail", "fail", "fail"),
    "end of the task": ("fail", "unknown", "reconcile"),
}


def test_the_table_says_what_is_promised() -> None:
    rows = {(each.action.name, *each.params.values()): each for each in TABLE["variants"]()}
    names = ("CANCEL_LEADS",), ("MANUAL_LEADS",), ("MOVE_TO_CAMPAIGN", "0", "false")
    ways = dict(TABLE["columns"]())
    said = {way: tuple(rows[name].word(failure) for name in names) for way, failure in ways.items()}
    assert said == PROMISED
    assert list(FAULTS) == list(ways)


@pytest.mark.parametrize("variant", TABLE["variants"](), ids=lambda variant: variant.label.replace("`", ""))
def test_every_effect_can_be_seen(cell_server: SandboxServer, variant: Any) -> None:
    """Else a cell would pass whatever happened to the leads."""
    expected = expected_of(cell_server, variant)
    if variant.action.name == "DIALER_REFRESH":
        assert expected.summary["dialer_refreshed"]
    else:
        assert expected.untouched != expected.once
