"""What the client's tests are made of: clients, paths and a clock that moves at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.ringcx.auth.base import Authenticator
from airflow_provider_engagevoice.ringcx.auth.schemes import (
    ApiTokenAuth,
    EngageUserAuth,
    LegacyPortalAuth,
    RingCentralJwtAuth,
)
from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

ACCOUNT = "50810001"
ROOT = f"/voice/api/v1/admin/accounts/{ACCOUNT}"
DIAL_GROUPS = f"{ROOT}/dialGroups"
ACTIONS_PATH = f"{ROOT}/campaignLeads/actions"

GRANT = "/restapi/oauth/token"
EXCHANGE = "/api/auth/login/rc/accesstoken"
REFRESH = "/api/auth/token/refresh"

#: What the tests of repeats do, by name: what may be sent again, and what must not (a move by ids alone
#: cannot be looked up). All actions are in tests/integration.
REPEATABLE = ["read", "CANCEL_LEADS"]
ONCE = ["MANUAL_LEADS", "MOVE"]
ACTING = REPEATABLE[1:] + ONCE
PLACES = {"read": "/dialGroups"}

Fault = dict[str, Any]
"""Arguments of :meth:`SandboxServer.fault`."""

PARAMS: dict[str, dict[str, Any]] = {
    "MANUAL_LEADS": {
        "PASS_DISPOSITION": "Sale",
        "REQUEUE": False,
        "DO_NOT_CALL": False,
        "PASS_DELAY": 0,
        "MERGE_ORIGINAL": False,
    },
    "EMAIL_LEADS": {"EMAIL_TO": "ops@example.com"},
}


@dataclass
class Clock:
    """Stands in for the module ``time``: sleeping takes no time, and is noted."""

    pauses: list[float] = field(default_factory=list)
    moved: float = 0.0
    on_pause: Callable[[], object] = field(default=lambda: None)

    def monotonic(self) -> float:
        return time.monotonic() + self.moved

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.moved += seconds
        self.on_pause()


def authenticator(url: str, method: str = "ringcentral", **changes: str) -> Authenticator:
    """Sign in with the sandbox's words, or with others."""
    user = {"username": "sandbox-user", "password": "sandbox-password"}
    ways: dict[str, tuple[type[Any], dict[str, str]]] = {
        "ringcentral": (
            RingCentralJwtAuth,
            {
                "host": url,
                "client_id": "sandbox-client",
                "client_secret": "sandbox-secret",
                "jwt": "sandbox-jwt",
                "rc_host": url,
            },
        ),
        "api_token": (ApiTokenAuth, {"token": "sandbox-token"}),
        "engage": (EngageUserAuth, {"host": url, "platform_id": "sandbox-platform", **user}),
        "legacy": (LegacyPortalAuth, {"host": url, **user}),
    }
    kind, fields = ways[method]
    way: Authenticator = kind(**{**fields, **changes})
    return way


def client_of(
    url: str,
    method: str = "ringcentral",
    *,
    account_id: str | None = ACCOUNT,
    timeout: float = 20.0,
    patience: float = 300.0,
    **changes: str,
) -> RingCXClient:
    """Make a client as the hook does."""
    transport = HttpTransport("tests/1.0", (timeout, timeout), patience)
    return RingCXClient(
        url, authenticator(url, method, **changes), transport, account_id, legacy=method == "legacy"
    )


def move_to(campaign: dict[str, Any], list_id: int = 0, copy: str = "false") -> dict[str, Any]:
    """Write the parameters of a move; by default into a new list."""
    return {
        "CAMPAIGN_ID": campaign["campaignId"],
        "LIST_ID": list_id,
        "LIST_NAME": "Moved by a test",
        "CREATE_COPY_SETTING": copy,
        "DUPLICATE_ACTION_SETTING": "MOVE",
    }


def act(
    client: RingCXClient,
    name: str,
    criteria: dict[str, Any],
    params: dict[str, Any] | None = None,
    **more: Any,
) -> ActionResult:
    """Do an action as the hook does, with criteria that are known to be good."""
    chosen = PARAMS.get(name, {}) if params is None else params
    return client.lead_actions().execute(BulkAction(ACTIONS[name], Selection(criteria), chosen, **more))


def paths(server: SandboxServer) -> list[str]:
    """The paths asked for so far, below the account's."""
    return [request.path.removeprefix(ROOT) for request in server.requests]


def acted(server: SandboxServer) -> int:
    """How many requests to act have reached the server."""
    return sum(request.path.endswith("/campaignLeads/actions") for request in server.requests)


def operation_of(name: str) -> str:
    """What the sandbox calls a request of one of these kinds."""
    return "dial_groups" if name == "read" else "lead_action"


def reached(server: SandboxServer, name: str) -> int:
    """How many requests of one of these kinds have reached the server."""
    place = PLACES.get(name, ACTIONS_PATH)
    return sum(request.path.endswith(place) for request in server.requests)
