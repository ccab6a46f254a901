"""Fixtures of the trigger tests."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.transport import http
from tests.support.triggers import (
    READY,
    FakeTime,
)


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry requests of the client almost at once."""
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


@pytest.fixture
def criteria(spring: dict[str, Any]) -> dict[str, Any]:
    """Criteria of the READY leads of the campaign."""
    return {**READY, "campaignId": spring["campaignId"], "campaignIds": [spring["campaignId"]]}


@pytest.fixture
def fake_time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(monkeypatch)
