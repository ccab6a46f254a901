"""Work as a generator of steps, so that one thread can have several requests in flight.

The generator yields each wait and each blocking call, and gets the result of the call. :func:`run` does the
steps of one generator one after the other; ``bulk.pipeline`` interleaves those of many. Everything between
two steps runs in the thread that drives the generator, so it needs no locks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, TypeVar


@dataclass(frozen=True)
class Sleep:
    """Wait.

    :param seconds: how long.
    """

    seconds: float


@dataclass(frozen=True)
class Call:
    """Call a function that blocks and that may run in another thread.

    :param function: the function.
    :param abortable: its result is not needed if the work is stopped.
    """

    function: Callable[[], Any]
    abortable: bool = False


@dataclass(frozen=True)
class Enter:
    """Wait for a place among the work that may change leads. The work keeps it until it ends."""


_Result = TypeVar("_Result")

Step = Sleep | Call | Enter
Steps = Generator[Step, Any, _Result]
"""A generator of steps that returns a result."""


def run(steps: Steps[_Result], sleep: Callable[[float], object]) -> _Result:
    """Do all steps in this thread.

    :param steps: the steps. ``Enter`` returns at once, because there is no other work.
    :param sleep: waits; what it raises is raised in the generator.
    :return: the result of the generator.
    """
    value: Any = None
    error: BaseException | None = None
    while True:
        try:
            step = steps.send(value) if error is None else steps.throw(error)
        except StopIteration as finished:
            return finished.value  # type: ignore[no-any-return]
        value = error = None
        try:
            if isinstance(step, Sleep):
                sleep(step.seconds)
            elif isinstance(step, Call):
                value = step.function()
        except BaseException as raised:
            error = raised
