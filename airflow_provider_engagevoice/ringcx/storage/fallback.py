"""Fallback chain of state stores."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import StateStore, StoreUnavailable

log = logging.getLogger(__name__)

DEFAULT_COOLDOWN = 30.0
"""Seconds for which a share that failed is left alone."""


_Result = TypeVar("_Result")


class FallbackStore(StateStore):
    """Several shares, the widest first: what fails rests a while, and the next one serves.

    Where only values cannot be kept, as on a full disk, moments are still booked.

    :param shares: the shares; the last one must never fail.
    :param rest: seconds for which one that failed is left alone.
    """

    def __init__(self, stores: Sequence[StateStore], cooldown: float = DEFAULT_COOLDOWN) -> None:
        self._stores = tuple(stores)
        self._cooldown = cooldown
        self._resting_until: dict[tuple[int, bool], float] = {}
        self._told: set[int] = set()
        self.name = stores[0].name

    @property
    def backends(self) -> Sequence[StateStore]:
        return self._stores

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], pad: float, longest: float) -> float:
        return self._first(lambda store: store.reserve_slot(key, windows, pad, longest), booking=True)

    def get(self, key: str) -> tuple[bytes, float] | None:
        return self._first(lambda store: store.get(key))

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        self._first(lambda store: store.set(key, value, lifetime))

    def delete(self, key: str) -> None:
        self._first(lambda store: store.delete(key))

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        return self._first(lambda store: store.acquire_lock(key, lifetime))

    def _first(self, use: Callable[[StateStore], _Result], booking: bool = False) -> _Result:
        """Use the first share that works."""
        for index, store in enumerate(self._stores[:-1]):
            if time.monotonic() < self._resting_until.get((index, booking), 0.0):
                continue
            try:
                return use(store)
            except StoreUnavailable as failure:
                self._resting_until[index, booking] = time.monotonic() + self._cooldown
                self._tell(index, failure)
        return use(self._stores[-1])

    def _tell(self, index: int, failure: StoreUnavailable) -> None:
        """Say once what does not work, and what serves instead."""
        if index in self._told:
            return
        self._told.add(index)
        log.warning(
            "Limits and tokens cannot be shared through %s (%s); they are shared within %s, and what RingCX "
            "refuses is tried again later",
            self._stores[index].name,
            failure,
            self._stores[index + 1].name,
        )
