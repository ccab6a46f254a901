"""State store in the memory of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.concurrency import ForkSafeLock
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import (
    LimitExceeded,
    StateStore,
    history_length,
    next_slot,
)


@dataclass
class _Kept:
    """A value and when it ends, on the monotonic clock."""

    value: bytes
    ends: float


class MemoryStore(StateStore):
    """What the threads of one process share."""

    name = "this process"

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._booked: dict[str, list[float]] = {}
        self._kept: dict[str, _Kept] = {}
        self._locked: set[str] = set()

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], pad: float, longest: float) -> float:
        with self._lock.held():
            now = time.monotonic()
            booked = self._booked.setdefault(key, [])
            moment = next_slot(booked, windows, pad, now)
            if moment - now > longest:
                raise LimitExceeded(moment - now)
            booked.append(moment)
            del booked[: -history_length(windows)]
        return moment - now

    def get(self, key: str) -> tuple[bytes, float] | None:
        with self._lock.held():
            kept = self._kept.get(key)
        left = kept.ends - time.monotonic() if kept else 0.0
        return (kept.value, left) if kept and left > 0 else None

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        with self._lock.held():
            self._kept[key] = _Kept(value, time.monotonic() + lifetime)

    def delete(self, key: str) -> None:
        with self._lock.held():
            self._kept.pop(key, None)

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        with self._lock.held():
            if key in self._locked:
                return None
            self._locked.add(key)
        return lambda: self._locked.discard(key)
