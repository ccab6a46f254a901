"""Checks that apply to every state store."""

from __future__ import annotations

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import StateStore

ONE_IN_TEN_SECONDS = [RateWindow(1, 10.0)]


def check_store(store: StateStore) -> None:
    """Check every operation of a store.

    :raises AssertionError: if one does not work.
    """
    store.reserve_slot("checked", ONE_IN_TEN_SECONDS, 0.0, 0.0)
    assert 9.0 < store.reserve_slot("checked", ONE_IN_TEN_SECONDS, 0.0, 60.0) <= 10.0
    store.set("checked", b"value", 30.0)
    found = store.get("checked")
    assert found is not None
    assert found[0] == b"value"
    assert 29.0 < found[1] <= 30.0
    release = store.acquire_lock("checked", 30.0)
    assert release is not None
    assert store.acquire_lock("checked", 30.0) is None
    release()
    release = store.acquire_lock("checked", 30.0)
    assert release is not None
    release()
    store.delete("checked")
    assert store.get("checked") is None
    assert store.compare_and_set("compared", None, b"value", 30.0)
    assert not store.compare_and_set("compared", None, b"other", 30.0)
    assert not store.compare_and_set("compared", b"other", b"changed", 30.0)
    assert store.compare_and_set("compared", b"value", b"changed", 30.0)
    found = store.get("compared")
    assert found is not None
    assert found[0] == b"changed"
    store.delete("compared")
    assert not store.compare_and_set("compared", b"changed", b"other", 30.0)
