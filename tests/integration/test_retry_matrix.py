"""Tests of every cell of the retry matrix (docs/retry-semantics.md) against the sandbox."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    ActionRejected,
    EngageVoiceError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.integration.retry_cells import (
    FAULTS,
    SHORT_TIMEOUT,
    TABLE,
    Cell,
    Expected,
    Scenario,
    cells,
    forward,
    wait_for_requests,
)
from tests.support.clients import PARAMS, FakeClock, count_action_requests, make_client
from tests.support.raw_server import raw_server

pytestmark = pytest.mark.usefixtures("clock")

USER_AGENT = "cell/1.0"


class TaskTimedOut(BaseException):
    """Represents Airflow's task timeout, which a signal handler can raise at any point."""


#: Errors of the failures that are documented as "fail".
ERRORS: dict[str, type[BaseException]] = {
    "web page": UnexpectedResponse,
    "broken JSON": UnexpectedResponse,
    "other JSON": UnexpectedResponse,
    "other 4xx": AccessDenied,
    "`success: false`": ActionRejected,
    "end of the task": TaskTimedOut,
}


@pytest.fixture(scope="session")
def cell_server() -> Iterator[SandboxServer]:
    with SandboxServer(Settings(size=300, limits="off")) as server:
        yield server


_expected_effects: dict[str, Expected] = {}


def expected_for(server: SandboxServer, variant: Any) -> Expected:
    """Return the effects of an action that succeeds, measured once for each variant."""
    if variant.label not in _expected_effects:
        _expected_effects[variant.label] = Expected.measure(server, variant)
    return _expected_effects[variant.label]


@pytest.fixture
def time_out_task() -> Iterator[Callable[[], object]]:
    """Return a function that raises :class:`TaskTimedOut` in the main thread once it waits."""

    def raise_timeout(number: int, frame: object) -> None:
        raise TaskTimedOut

    previous = signal.signal(signal.SIGUSR1, raise_timeout)
    thread = threading.main_thread().ident or 0
    yield lambda: signal.pthread_kill(thread, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, previous)


def perform_with_failure(
    scenario: Scenario, cell: Cell, clock: FakeClock, time_out_task: Callable[[], object]
) -> Any:
    """Perform the action while its first request fails as in the cell; return the result or the error."""
    server = scenario.server
    params = scenario.params(cell.variant)
    if cell.kind is FailureKind.INTERRUPTED:
        server.fault("meanwhile", work=time_out_task, operation="lead_action")
    if FAULTS[cell.failure]:
        server.fault(**FAULTS[cell.failure], when=cell.timing, operation="lead_action")
    with raw_server(lambda number, request: forward(server, request), listening=False) as closed:
        is_refused = cell.kind is FailureKind.NOT_SENT
        client = make_client(closed.url if is_refused else server.url, "api_token")
        client.transport.user_agent = USER_AGENT
        # A task that is interrupted still awaits the response.
        if cell.failure == "time-out" or cell.kind is FailureKind.INTERRUPTED:
            client.transport.timeout = (20.0, SHORT_TIMEOUT)

        def before_retry() -> None:
            client.transport.timeout = (20.0, 20.0)
            if is_refused:
                closed.listen()
                return
            wait_for_requests(scenario, USER_AGENT, 1)
            if cell.timing == "after":
                scenario.call_leads()

        clock.on_pause = before_retry
        try:
            return scenario.perform(cell.variant.action.name, params, client.request_steps)
        except (EngageVoiceError, TaskTimedOut) as error:
            return error
        finally:
            wait_for_requests(scenario, USER_AGENT, 1)
            client.close()


@pytest.mark.parametrize("cell", cells(), ids=str)
def test_failure_has_documented_outcome(
    cell_server: SandboxServer, clock: FakeClock, time_out_task: Callable[[], object], cell: Cell
) -> None:
    expected = expected_for(cell_server, cell.variant)
    scenario = Scenario(cell_server)
    scenario.prepare(cell.variant)
    clock.pauses.clear()

    result = perform_with_failure(scenario, cell, clock, time_out_task)

    was_applied = cell.timing == "after"
    is_retried = cell.documented_outcome == "retry"
    arrived_twice = is_retried and cell.kind is not FailureKind.NOT_SENT
    assert scenario.count_requests(USER_AGENT) == (2 if arrived_twice else 1)
    assert len(clock.pauses) == is_retried
    if is_retried and was_applied:
        # Agents have called the leads before the retry, which must not make them due for another call.
        assert scenario.snapshot() == expected.after_calls
        assert result["leads_matched"] == 3
        return
    assert scenario.snapshot() == (expected.after if was_applied or is_retried else expected.before)
    is_reconciled = cell.documented_outcome == "reconcile" and was_applied
    if is_reconciled and cell.kind is FailureKind.INTERRUPTED:
        # The move is done; a retry of the task resumes after it.
        assert type(result) is TaskTimedOut
    elif is_retried or is_reconciled:
        assert result == expected.result
    elif cell.documented_outcome == "fail":
        assert type(result) is ERRORS[cell.failure]
        assert not isinstance(result, TransientError)
    else:
        assert type(result) is OutcomeUnknown
        assert isinstance(result, PermanentError)
        assert ("3 of 3 leads are still in the source" in str(result)) == (
            cell.documented_outcome == "reconcile"
        )


@pytest.mark.parametrize("name", ["CANCEL_LEADS", "MANUAL_LEADS"])
@pytest.mark.parametrize(
    ("failure", "timing"), sorted({(cell.failure, cell.timing) for cell in cells() if FAULTS[cell.failure]})
)
def test_failure_with_three_requests_in_flight(
    ringcx: SandboxServer,
    ready_leads: list[dict[str, Any]],
    time_out_task: Callable[[], object],
    failure: str,
    timing: str,
    name: str,
) -> None:
    """The documented outcome, while the other two requests succeed and are counted."""
    all_sent = threading.Barrier(3, timeout=20)
    ringcx.fault("meanwhile", operation="lead_action", times=3, work=all_sent.wait)
    if failure == "end of the task":
        ringcx.fault("meanwhile", operation="lead_action", at=[2], work=time_out_task)
    ringcx.fault(**FAULTS[failure], when=timing, operation="lead_action", at=[2])
    client = make_client(ringcx.url, "api_token", timeout=1.0)
    action = BulkAction.create(
        name,
        Selection({"leadIds": [lead["leadId"] for lead in ready_leads[:3]]}),
        PARAMS.get(name, {}),
        chunk_size=1,
        max_in_flight=3,
    )
    executor = client.lead_actions()
    error: BaseException | None = None
    try:
        executor.execute(action)
    except (EngageVoiceError, TaskTimedOut) as caught:
        error = caught
    result = executor.result
    assert result is not None
    documented = DOCUMENTED[failure][name == "MANUAL_LEADS"]
    assert result["leads_updated"] == (3 if documented == "retry" else 2)
    assert count_action_requests(ringcx) == (4 if documented == "retry" else 3)
    if documented == "retry":
        assert error is None
    elif documented == "fail" and name == "MANUAL_LEADS":
        # Without a checkpoint, a retry of the task would send the two complete chunks again.
        assert isinstance(error, PermanentError)
    elif documented == "fail":
        assert type(error) is ERRORS[failure]
    else:
        assert type(error) is OutcomeUnknown
        assert re.search(r"unknown for chunk \d of 3", str(error))
        assert result["leads_matched"] == 2


#: Documented outcomes of each failure: for a retry-safe action, for an action that is not retry-safe,
#: and for a move into a new list.
DOCUMENTED = {
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


def test_matrix_contains_documented_outcomes() -> None:
    variants = {(each.action.name, *each.params.values()): each for each in TABLE["variants"]()}
    names = ("CANCEL_LEADS",), ("MANUAL_LEADS",), ("MOVE_TO_CAMPAIGN", "0", "false")
    failures = dict(TABLE["columns"]())
    found = {
        failure: tuple(variants[name].word(kind) for name in names) for failure, kind in failures.items()
    }
    assert found == DOCUMENTED
    assert list(FAULTS) == list(failures)


@pytest.mark.parametrize("variant", TABLE["variants"](), ids=lambda variant: variant.label.replace("`", ""))
def test_action_has_visible_effect(cell_server: SandboxServer, variant: Any) -> None:
    """Without a visible effect the test of a cell could not fail."""
    expected = expected_for(cell_server, variant)
    if variant.action.name == "DIALER_REFRESH":
        assert expected.result["dialer_refreshed"]
    else:
        assert expected.before != expected.after
