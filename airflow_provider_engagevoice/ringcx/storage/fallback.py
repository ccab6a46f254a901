"""Fallback chain of state stores."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import StateStore, StoreUnavailable

log = logging.getLogger(__name__)

DEFAULT_COOLDOWN = 30.0
"""Seconds for which a store that failed is skipped."""

_Result = TypeVar("_Result")


class FallbackStore(StateStore):
    """Fallback chain of stores, widest scope first. A failing store is skipped for ``cooldown`` seconds.

    Reservations and values fail independently: on a full disk, values use the next store while slots are
    still reserved on the disk.

    :param stores: the stores; the last one must never fail.
    :param cooldown: seconds for which a store that failed is skipped.
    """

    def __init__(self, stores: Sequence[StateStore], cooldown: float = DEFAULT_COOLDOWN) -> None:
        self._stores = tuple(stores)
        self._cooldown = cooldown
        self._skipped_until: dict[tuple[int, bool], float] = {}
        self._logged: set[int] = set()
        self.name = stores[0].name

    @property
    def backends(self) -> Sequence[StateStore]:
        return self._stores

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        return self._first_available(
            lambda store: store.reserve_slot(key, windows, margin, max_wait), reserving=True
        )

    def get(self, key: str) -> tuple[bytes, float] | None:
        return self._first_available(lambda store: store.get(key))

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        self._first_available(lambda store: store.set(key, value, lifetime))

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, lifetime: float) -> bool:
        return self._first_available(lambda store: store.compare_and_set(key, expected, value, lifetime))

    def delete(self, key: str) -> None:
        self._first_available(lambda store: store.delete(key))

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        return self._first_available(lambda store: store.acquire_lock(key, lifetime))

    def _first_available(
        self, operation: Callable[[StateStore], _Result], reserving: bool = False
    ) -> _Result:
        """Return the result of the first store that does not fail."""
        for index, store in enumerate(self._stores[:-1]):
            if clock.monotonic() < self._skipped_until.get((index, reserving), 0.0):
                continue
            try:
                return operation(store)
            except StoreUnavailable as error:
                self._skipped_until[index, reserving] = clock.monotonic() + self._cooldown
                self._log_failure(index, error)
        return operation(self._stores[-1])

    def _log_failure(self, index: int, error: StoreUnavailable) -> None:
        """Log the first failure of a store, and which store is used instead."""
        if index in self._logged:
            return
        self._logged.add(index)
        log.warning(
            "Cannot use %s for rate limits and tokens (%s); falling back to %s. Requests rejected with 429 "
            "will be retried",
            self._stores[index].name,
            error,
            self._stores[index + 1].name,
        )
