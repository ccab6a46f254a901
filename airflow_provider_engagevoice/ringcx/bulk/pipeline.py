"""Pipeline: keeps several requests in flight, while one thread does everything else."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.concurrency import POLL_INTERVAL, CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import Cancelled, OutcomeUnknown
from airflow_provider_engagevoice.ringcx.steps import Call, Enter, Sleep, Step, Steps

log = logging.getLogger(__name__)


class _Stopped(Cancelled):
    """The work was stopped because other work failed."""


@dataclass(eq=False)
class _CallInFlight:
    """A call in another thread.

    :param step: the call.
    :param response: its result and its error; None while it runs.
    """

    step: Call
    response: tuple[Any, BaseException | None] | None = None
    _claim: threading.Lock = field(default_factory=threading.Lock)

    def claim(self) -> bool:
        """Return whether the call is the caller's to make, or to give up; True for one of them."""
        return self._claim.acquire(blocking=False)


@dataclass(eq=False)
class _Work:
    """A piece of work that has started and not ended.

    :param number: its place in the order in which work has started.
    :param steps: its steps.
    :param step: the step that it is at; None before the first one.
    :param call: the call of this step, if it has started.
    :param resume_at: monotonic time at which a sleep ends.
    :param is_inside: it has a place among the work that may change leads.
    """

    number: int
    steps: Steps[None]
    step: Step | None = None
    call: _CallInFlight | None = None
    resume_at: float = 0.0
    is_inside: bool = False

    @property
    def is_in_flight(self) -> bool:
        """Whether it waits for the response of a call."""
        return self.call is not None and self.call.response is None


@dataclass
class Pipeline:
    """Runs pieces of work, each a generator of steps, with several calls in flight.

    The caller's thread drives all generators: it reserves rate-limit slots, saves checkpoints, refreshes
    tokens and logs. Only the calls run in other threads, each in a separate one.

    Work enters in the order in which it has started, and only if all work inside has its call in flight; it
    starts only if no work outside sleeps. So a process reserves one slot at a time of each rate limit, which
    is fair to other processes, and it sends no new request while one waits to be retried, for example after a
    429.

    If a piece of work fails, the task is cancelled or the thread is interrupted, no further step begins.
    Calls in flight are awaited and their results are used, except those of abortable calls.

    :param cancel_token: cancels the work.
    :param max_in_flight: most pieces of work inside.
    :param max_active: most pieces of work that have started and not ended.
    """

    cancel_token: CancelToken
    max_in_flight: int
    max_active: int
    _active: list[_Work] = field(default_factory=list, init=False)
    _wake_up: queue.SimpleQueue[None] = field(default_factory=queue.SimpleQueue, init=False)
    _errors: list[Exception] = field(default_factory=list, init=False)
    _started: int = field(default=0, init=False)
    _is_interrupted: bool = field(default=False, init=False)

    def run(self, work: Iterable[Steps[None]]) -> None:
        """Run all work.

        :param work: the pieces of work; each is taken when there is room for it.
        :raises OutcomeUnknown: if the outcome of any request is unknown.
        :raises Cancelled: if the task was cancelled before all work has ended.
        :raises Exception: else the error of the work that failed first; the others are logged.
        """
        remaining = iter(work)
        try:
            self._run_all(remaining)
        except BaseException:
            # Airflow ends a task by raising an exception in its thread.
            self._end_interrupted(remaining)
            raise
        self._raise_error()

    @property
    def _is_stopping(self) -> bool:
        return self._is_interrupted or bool(self._errors) or self.cancel_token.is_cancelled()

    def _run_all(self, remaining: Iterator[Steps[None]]) -> None:
        """Run all work; if it is to stop, only what has started."""
        while True:
            while self._can_start():
                steps = next(remaining, None)
                if steps is None:
                    break
                self._started += 1
                self._resume(_Work(self._started, steps))
            if not self._active:
                break
            ready = next(filter(self._is_ready, self._active), None)
            if ready is not None:
                self._resume(ready)
            else:
                self._wait()
        if not self._errors and not self._is_interrupted:
            self.cancel_token.raise_if_cancelled()

    def _can_start(self) -> bool:
        """Return whether another piece of work may start now."""
        is_waiting = any(isinstance(work.step, Sleep) and not work.is_inside for work in self._active)
        return len(self._active) < self.max_active and not is_waiting and not self._is_stopping

    def _end_interrupted(self, remaining: Iterator[Steps[None]]) -> None:
        """Await the calls in flight after this thread was interrupted.

        :raises OutcomeUnknown: if the outcome of any request is unknown, so that Airflow does not retry it.
        """
        self._is_interrupted = True
        for work in self._active:
            if work.call is not None and work.call.claim():
                # This thread was interrupted before the call had started.
                work.call.response = (None, self._stop_error())
        try:
            self._run_all(remaining)
        except BaseException as second:
            for work in self._active:
                self._end_unawaited(work, second)
        if any(isinstance(error, OutcomeUnknown) for error in self._errors):
            self._raise_error()

    def _end_unawaited(self, work: _Work, interrupt: BaseException) -> None:
        try:
            work.steps.throw(interrupt)
        except OutcomeUnknown as error:
            self._errors.append(error)
        except BaseException:
            log.debug("Stopped by %s", type(interrupt).__name__)

    def _is_ready(self, work: _Work) -> bool:
        """Return whether a piece of work can be resumed now."""
        if work.call is not None and work.is_in_flight:
            return self._is_stopping and work.call.step.abortable
        if work.call is not None or self._is_stopping:
            return True
        if isinstance(work.step, Sleep):
            return work.resume_at <= clock.monotonic()
        others = [each for each in self._active if each.is_inside or each.number < work.number]
        return len(others) < self.max_in_flight and all(
            each.is_inside and each.is_in_flight for each in others
        )

    def _wait(self) -> None:
        """Wait until a call returns, a sleep ends, or it is time to look whether the task is cancelled."""
        now = clock.monotonic()
        sleeps = [work.resume_at - now for work in self._active if isinstance(work.step, Sleep)]
        if sleeps and not any(work.is_in_flight for work in self._active):
            with suppress(Cancelled):
                self.cancel_token.sleep(min(sleeps))
        else:
            with suppress(queue.Empty):
                self._wake_up.get(timeout=max(min([*sleeps, POLL_INTERVAL]), 0.001))

    def _resume(self, work: _Work) -> None:
        """Resume a piece of work until its next step."""
        # It is active again once it has another step: if this thread is interrupted before, it has ended.
        if work in self._active:
            self._active.remove(work)
        try:
            step = self._next_step(work)
        except (StopIteration, _Stopped):
            return
        except Exception as error:
            self._errors.append(error)
            return
        work.step, work.call = step, None
        if isinstance(step, Sleep):
            work.resume_at = clock.monotonic() + step.seconds
        elif isinstance(step, Call) and not self._is_stopping:
            work.call = _CallInFlight(step)
        # Before the call starts: if this thread is interrupted while it starts, its result is awaited.
        self._active.append(work)
        if work.call is not None:
            self._start(work.call)

    def _next_step(self, work: _Work) -> Step:
        """Continue a piece of work, with the result of its call if it has made one.

        :raises StopIteration: if it has ended.
        """
        if work.call is not None and work.call.response is not None:
            value, error = work.call.response
            return work.steps.send(value) if error is None else work.steps.throw(error)
        if self._is_stopping and work.step is not None:
            return work.steps.throw(self._stop_error())
        work.is_inside = work.is_inside or isinstance(work.step, Enter)
        return next(work.steps)

    def _stop_error(self) -> Exception:
        stopped = _Stopped if self._errors or self._is_interrupted else Cancelled
        return stopped("Cancelled before the next request was sent")

    def _start(self, call: _CallInFlight) -> None:
        """Start a call in another thread."""

        def run() -> None:
            if not call.claim():
                return
            try:
                call.response = (call.step.function(), None)
            except BaseException as error:  # raised again in the work
                call.response = (None, error)
            self._wake_up.put(None)

        try:
            # Not a thread pool: the interpreter would wait for its threads at exit.
            threading.Thread(target=run, name="ringcx-request", daemon=True).start()
        except RuntimeError:
            # No more threads can be started.
            run()

    def _raise_error(self) -> None:
        """Raise the error that matters most, and log the others."""
        errors = sorted(self._errors, key=lambda error: not isinstance(error, OutcomeUnknown))
        for error in errors[1:]:
            if not isinstance(error, Cancelled):
                log.error("Another request failed, too: %s", error)
        if errors:
            raise errors[0]
