"""Settings of the sandbox for the client's tests."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.sandbox.settings import Settings


@pytest.fixture
def ringcx_settings() -> Settings:
    return Settings(size=1000)
