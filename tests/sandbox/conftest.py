"""Fixtures: a small sandbox for each test, and a client for its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.faults import SetFault, over_http

Row = dict[str, Any]


@dataclass
class Api:
    """Client for the API of one sub-account, authenticated with the permanent token."""

    url: str
    session: requests.Session
    account: str = "50810001"

    @property
    def root(self) -> str:
        """URL of the account."""
        return f"{self.url}/voice/api/v1/admin/accounts/{self.account}"

    def get(self, path: str, **query: Any) -> requests.Response:
        """Send a GET."""
        return self.session.get(f"{self.root}/{path}", params=query, timeout=20)

    def post_search(self, body: object, **query: Any) -> requests.Response:
        """Search; return the response."""
        return self.session.post(f"{self.root}/campaignLeads/leadSearch", json=body, params=query, timeout=20)

    def search(self, criteria: object = None, /, **fields: object) -> list[Row]:
        """Search; return the rows."""
        response = self.post_search(fields if criteria is None else criteria)
        assert response.status_code == 200, response.text
        rows: list[Row] = response.json()
        return rows

    def count(self, **fields: object) -> int:
        """Return the number of matching leads."""
        response = self.post_search(fields, count="true")
        assert response.status_code == 200, response.text
        number: int = response.json()
        return number

    def lead(self, lead_id: int) -> Row:
        """Return one lead."""
        (row,) = self.search(leadIds=[lead_id])
        return row

    def put_action(self, action: str | None, body: object) -> requests.Response:
        """Send an action; return the response."""
        query = {} if action is None else {"leadAction": action}
        return self.session.put(f"{self.root}/campaignLeads/actions", params=query, json=body, timeout=20)

    def act(self, action: str, criteria: Row, **params: object) -> Row:
        """Send an action; return its result."""
        body = {"campaignLeadSearchCriteria": criteria, "leadActionParams": {"paramMap": params}}
        response = self.put_action(action, body)
        assert response.status_code == 200, response.text
        result: Row = response.json()
        return result


@pytest.fixture
def ringcx_settings() -> Settings:
    return Settings(size=1300, row_cap=400)


@pytest.fixture
def sandbox(ringcx_sandbox: SandboxServer) -> SandboxServer:
    """The plugin's fixture under a shorter name."""
    return ringcx_sandbox


@pytest.fixture
def api_of() -> Iterator[Callable[[SandboxServer], Api]]:
    """Return a function that creates clients; their connections are closed after the test."""
    sessions = []

    def create(sandbox: SandboxServer) -> Api:
        session = requests.Session()
        session.trust_env = False
        session.headers["X-Auth-Token"] = "sandbox-token"
        sessions.append(session)
        return Api(sandbox.url, session)

    yield create
    for session in sessions:
        session.close()


@pytest.fixture
def api(sandbox: SandboxServer, api_of: Callable[[SandboxServer], Api]) -> Api:
    return api_of(sandbox)


@pytest.fixture
def spring(sandbox: SandboxServer) -> Row:
    """The campaign "Spring Renewals"."""
    return sandbox.campaign("Spring Renewals")


@pytest.fixture
def summer(sandbox: SandboxServer) -> Row:
    """The campaign "Summer Win-Back"."""
    return sandbox.campaign("Summer Win-Back")


@pytest.fixture
def leads(sandbox: SandboxServer) -> list[Row]:
    """The initial leads of "Spring Renewals" that are not on a call."""
    return [lead for lead in sandbox.leads("Spring Renewals") if lead["leadState"] != "ACTIVE"]


@pytest.fixture
def agent(api: Any) -> Row:
    group = api.get("agentGroups").json()[0]["agentGroupId"]
    found: Row = api.get(f"agentGroups/{group}/agents").json()[1]
    return found


@pytest.fixture
def lead(leads: list[Row]) -> Row:
    """A READY lead of "Spring Renewals"."""
    return next(row for row in leads if row["leadState"] == "READY")


@pytest.fixture(params=["http", "python"])
def fault(request: pytest.FixtureRequest, sandbox: SandboxServer) -> SetFault:
    """Set a fault over HTTP or in Python."""
    return over_http(sandbox) if request.param == "http" else sandbox.fault
