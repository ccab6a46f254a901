"""A pipeline whose thread is interrupted while it starts a call."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled, OutcomeUnknown
from airflow_provider_engagevoice.ringcx.steps import Call, Enter, Steps


class TaskEnds(BaseException):
    """Exception that Airflow raises in the thread of a task to end it."""


@pytest.fixture
def interrupt(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a function that makes the start of the next thread raise, before or after it has started."""
    start = threading.Thread.start

    def interrupt_next(has_started: bool) -> None:
        def start_and_raise(thread: threading.Thread) -> None:
            monkeypatch.setattr(threading.Thread, "start", start)
            if has_started:
                start(thread)
                thread.join(20)
            raise TaskEnds

        monkeypatch.setattr(threading.Thread, "start", start_and_raise)

    return interrupt_next


def test_outcome_of_a_call_that_has_started_counts(interrupt: Callable[[bool], None]) -> None:
    def lose_response() -> None:
        raise OutcomeUnknown("lost")

    def send() -> Steps[None]:
        yield Enter()
        yield Call(lose_response)

    interrupt(True)
    with pytest.raises(OutcomeUnknown, match="lost"):
        Pipeline(CancelToken(), 1, 1).run([send()])


def test_call_that_has_not_started_is_not_made(interrupt: Callable[[bool], None]) -> None:
    """Its work learns that nothing was sent."""
    events = []

    def send() -> Steps[None]:
        yield Enter()
        try:
            yield Call(lambda: events.append("sent"))
        except Cancelled:
            events.append("not sent")
            raise

    interrupt(False)
    with pytest.raises(TaskEnds):
        Pipeline(CancelToken(), 1, 1).run([send()])
    assert events == ["not sent"]
