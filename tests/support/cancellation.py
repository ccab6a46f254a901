"""Cancelling work that waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import Cancelled, TransientError


def cancel_soon(cancel: Callable[[], object], seconds: float = 0.2) -> None:
    """Call a function from another thread, soon."""
    threading.Timer(seconds, cancel).start()


def run_cancelled(work: Callable[[], object]) -> float:
    """Run work that gets cancelled; return the seconds that it took."""
    started_at = time.monotonic()
    with pytest.raises(Cancelled) as caught:
        work()
    assert isinstance(caught.value, TransientError)
    return time.monotonic() - started_at
