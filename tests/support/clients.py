"""Helpers for tests of the client: factories, request paths, counters and a fake clock."""

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

# Requests of the retry tests, by name. MOVE selects leads by id only, so that it cannot be reconciled. The
# complete matrix of actions and failures is tests/integration/test_retry_matrix.py.
RETRY_SAFE = ["read", "CANCEL_LEADS"]
NOT_RETRY_SAFE = ["MANUAL_LEADS", "MOVE"]
LEAD_ACTIONS = RETRY_SAFE[1:] + NOT_RETRY_SAFE
_PATH_ENDINGS = {"read": "/dialGroups"}

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
class FakeClock:
    """Replacement for the module ``time`` whose ``sleep`` advances the clock without waiting.

    :param pauses: the durations passed to ``sleep``, in seconds.
    :param offset: seconds by which the clock is ahead of the real one.
    :param on_pause: called after each ``sleep``.
    """

    pauses: list[float] = field(default_factory=list)
    offset: float = 0.0
    on_pause: Callable[[], object] = field(default=lambda: None)

    def monotonic(self) -> float:
        return time.monotonic() + self.offset

    def time(self) -> float:
        return time.time() + self.offset

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.offset += seconds
        self.on_pause()


def make_authenticator(url: str, method: str = "ringcentral", **changes: str) -> Authenticator:
    """Return an authenticator with the sandbox's credentials.

    :param url: the sandbox's URL.
    :param method: the authentication method, as in the connection.
    :param changes: credentials that replace the sandbox's.
    """
    user = {"username": "sandbox-user", "password": "sandbox-password"}
    schemes: dict[str, tuple[type[Any], dict[str, str]]] = {
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
    scheme, fields = schemes[method]
    authenticator: Authenticator = scheme(**{**fields, **changes})
    return authenticator


def make_client(
    url: str,
    method: str = "ringcentral",
    *,
    account_id: str | None = ACCOUNT,
    timeout: float = 20.0,
    retry_timeout: float = 300.0,
    **changes: str,
) -> RingCXClient:
    """Return a client that is configured as by the hook.

    :param url: RingCX's URL.
    :param method: the authentication method.
    :param account_id: the sub-account; None for the only one that is accessible.
    :param timeout: connect and read timeout in seconds.
    :param retry_timeout: maximum time for the retries of one request in seconds.
    :param changes: credentials that replace the sandbox's.
    """
    transport = HttpTransport("tests/1.0", (timeout, timeout), retry_timeout)
    return RingCXClient(
        url, make_authenticator(url, method, **changes), transport, account_id, legacy=method == "legacy"
    )


def move_params(campaign: dict[str, Any], list_id: int = 0, copy: str = "false") -> dict[str, Any]:
    """Return the parameters of a move into a list; by default into a new one."""
    return {
        "CAMPAIGN_ID": campaign["campaignId"],
        "LIST_ID": list_id,
        "LIST_NAME": "Moved by a test",
        "CREATE_COPY_SETTING": copy,
        "DUPLICATE_ACTION_SETTING": "MOVE",
    }


def perform_action(
    client: RingCXClient,
    name: str,
    criteria: dict[str, Any],
    params: dict[str, Any] | None = None,
    **more: Any,
) -> ActionResult:
    """Perform a lead action without the hook's validation of criteria and parameters."""
    action_params = PARAMS.get(name, {}) if params is None else params
    action = BulkAction(ACTIONS[name], Selection(criteria), action_params, **more)
    return client.lead_actions().execute(action)


def request_paths(server: SandboxServer) -> list[str]:
    """Return the paths of all requests so far, relative to the account's."""
    return [request.path.removeprefix(ROOT) for request in server.requests]


def count_action_requests(server: SandboxServer) -> int:
    """Return the number of lead action requests that the server has received."""
    return sum(request.path.endswith("/campaignLeads/actions") for request in server.requests)


def sandbox_operation(name: str) -> str:
    """Return the sandbox's name of the operation for a request of the retry tests."""
    return "dial_groups" if name == "read" else "lead_action"


def count_requests(server: SandboxServer, name: str) -> int:
    """Return the number of requests of one kind of the retry tests that the server has received."""
    ending = _PATH_ENDINGS.get(name, ACTIONS_PATH)
    return sum(request.path.endswith(ending) for request in server.requests)
