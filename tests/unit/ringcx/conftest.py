"""Fixtures for tests of the client: settings of the sandbox, and a move into a new list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.support.clients import make_client, move_params, perform_action

Move = Callable[..., ActionResult]


@pytest.fixture
def ringcx_settings() -> Settings:
    return Settings(size=1000)


@pytest.fixture
def move(ringcx_sandbox: SandboxServer, spring: dict[str, Any], summer: dict[str, Any]) -> Move:
    """Return a function that moves leads of "Spring Renewals" into a new list of "Summer Win-Back"."""

    def run(
        criteria: dict[str, Any], *, copy: str = "false", duplicates: str = "MOVE", **options: Any
    ) -> ActionResult:
        in_spring = {"campaignId": spring["campaignId"], "campaignIds": [spring["campaignId"]], **criteria}
        params = {**move_params(summer, copy=copy), "DUPLICATE_ACTION_SETTING": duplicates}
        return perform_action(
            make_client(ringcx_sandbox.url), "MOVE_TO_CAMPAIGN", in_spring, params, **options
        )

    return run
