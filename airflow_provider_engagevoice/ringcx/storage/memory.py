"""State store in the memory of one process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.concurrency import ForkSafeLock
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import (
    LimitExceeded,
    StateStore,
    history_length,
    next_slot,
)


@dataclass
class _Entry:
    """A value and its expiry, on the monotonic clock."""

    value: bytes
    expires_at: float


class MemoryStore(StateStore):
    """State shared by the threads of one process."""

    name = "the memory of this process"

    def __init__(self) -> None:
        self._lock = ForkSafeLock()
        self._slots: dict[str, list[float]] = {}
        self._entries: dict[str, _Entry] = {}
        self._locked: set[str] = set()
        self._process_id = os.getpid()

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        with self._lock.held():
            now = clock.monotonic()
            slots = self._slots.setdefault(key, [])
            slot = next_slot(slots, windows, margin, now)
            if slot - now > max_wait:
                raise LimitExceeded(slot - now)
            slots.append(slot)
            del slots[: -history_length(windows)]
        return slot - now

    def get(self, key: str) -> tuple[bytes, float] | None:
        with self._lock.held():
            return self._get(key)

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        with self._lock.held():
            self._entries[key] = _Entry(value, clock.monotonic() + lifetime)

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, lifetime: float) -> bool:
        with self._lock.held():
            found = self._get(key)
            if (found[0] if found else None) != expected:
                return False
            self._entries[key] = _Entry(value, clock.monotonic() + lifetime)
        return True

    def delete(self, key: str) -> None:
        with self._lock.held():
            self._entries.pop(key, None)

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        with self._lock.held():
            if self._process_id != os.getpid():
                # The holders did not survive the fork.
                self._locked, self._process_id = set(), os.getpid()
            if key in self._locked:
                return None
            self._locked.add(key)
        return lambda: self._locked.discard(key)

    def _get(self, key: str) -> tuple[bytes, float] | None:
        entry = self._entries.get(key)
        left = entry.expires_at - clock.monotonic() if entry else 0.0
        return (entry.value, left) if entry and left > 0 else None
