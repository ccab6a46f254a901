"""Cells of the retry matrix (docs/retry-semantics.md): each action with each failure, by its timing."""

from __future__ import annotations

import re
import runpy
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse
from pathlib import Path
from socket import create_connection
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.executor import LeadActionExecutor
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS, NEW_LIST
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import PARAMS, ROOT, make_client, move_params

TABLE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "docs" / "retry_matrix.py"))

#: Read timeout in seconds for servers that do not respond; the sandbox receives a request in far less.
SHORT_TIMEOUT = 0.25

#: The sandbox's fault for each failure; empty if the test closes the port instead.
FAULTS: Mapping[str, dict[str, Any]] = {
    "no connection": {},
    "429": {"kind": "rate_limited", "retry_after": None},
    "dropped": {"kind": "drop"},
    "cut off": {"kind": "drop", "part": '{"success": tr'},
    "time-out": {"kind": "hang"},
    "5xx or 408": {"kind": "answer", "status": 503},
    "web page": {"kind": "html"},
    "broken JSON": {"kind": "answer", "body": '{"success": tr'},
    "other JSON": {"kind": "answer", "body": {"leadUpdateCount": 3}},
    "other 4xx": {"kind": "status", "status": 403},
    "`success: false`": {"kind": "rejected"},
    "end of the task": {"kind": "hang"},
}

#: Actions to perform before an action and its ``ACTION_TYPE``, so that its effect is visible.
_PREPARATIONS: Mapping[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("RESET_LEADS", ""): ("MANUAL_LEADS", {**PARAMS["MANUAL_LEADS"], "REQUEUE": True}),
    ("READY_LEADS", ""): ("PAUSE_LEADS", {}),
    ("UNSUPPRESS_LEADS", ""): ("SUPPRESS_LEADS", {}),
    ("CALLBACK_LEADS", "CANCEL"): ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT"}),
    ("CALLBACK_LEADS", "RESET"): ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT"}),
}


@dataclass(frozen=True)
class Cell:
    """One cell of the matrix, for a request that fails before or after it is applied.

    :param variant: the action with its parameters, a ``Variant`` of ``scripts/docs/retry_matrix.py``.
    :param failure: how the request fails, a key of :data:`FAULTS`.
    :param kind: the kind of this failure.
    :param timing: ``before`` or ``after``.
    """

    variant: Any
    failure: str
    kind: FailureKind
    timing: str

    def __str__(self) -> str:
        parts = [self.variant.action.name, *self.variant.params.values(), self.failure, self.timing]
        return " ".join(parts).replace("`", "").replace(": ", "-").replace(" ", "-")

    @property
    def documented_outcome(self) -> str:
        """The documented outcome of the failure, as in the matrix."""
        word: str = self.variant.word(self.kind)
        return word


def cells() -> Iterator[Cell]:
    """Yield all cells, in the order of the matrix."""
    for variant in TABLE["variants"]():
        for failure, kind in TABLE["columns"]():
            for timing in ("before", "after") if kind.maybe_applied else ("before",):
                yield Cell(variant, failure, kind, timing)


@dataclass
class Scenario:
    """A freshly reset sandbox, with three leads to perform actions on.

    :param server: the sandbox, which is reset.
    """

    server: SandboxServer
    client: RingCXClient = field(init=False)

    def __post_init__(self) -> None:
        self.server.reset()
        self.client = make_client(self.server.url, "api_token")
        self.spring = self.server.campaign("Spring Renewals")["campaignId"]
        self.summer = self.server.campaign("Summer Win-Back")
        ready = [lead for lead in self.server.leads(self.spring) if lead["leadState"] == "READY"]
        self.ids = [lead["leadId"] for lead in ready[:3]]

    def perform(
        self, name: str, params: Mapping[str, Any], request: RequestStepsFn | None = None, **more: Any
    ) -> ActionResult:
        """Perform an action on the leads.

        :param name: the action.
        :param params: its parameters.
        :param request: sends the action; default the scenario's client. Searches use the scenario's client.
        :param more: criteria that replace or extend the ids of the leads.
        """
        criteria = {"campaignIds": [self.spring], "leadIds": self.ids, **more}
        executor = LeadActionExecutor(
            request or self.client.request_steps, self.client.leads(), self.client.campaigns
        )
        return executor.execute(BulkAction(ACTIONS[name], Selection(criteria), params))

    def prepare(self, variant: Any) -> None:
        """Bring the leads into a state that the action changes."""
        key = (variant.action.name, variant.params.get("ACTION_TYPE", ""))
        if key in _PREPARATIONS:
            name, params = _PREPARATIONS[key]
            agent = {"RESERVATION_AGENT_ID": self._agent()} if name == "CALLBACK_LEADS" else {}
            self.perform(name, {**params, **agent})

    def params(self, variant: Any) -> dict[str, Any]:
        """Return the complete ``paramMap`` of a variant."""
        name, params = variant.action.name, dict(variant.params)
        if name == "MOVE_TO_CAMPAIGN":
            existing = self.server.leads(self.summer["campaignId"])[0]["listId"]
            list_id = 0 if params["LIST_ID"] == NEW_LIST else existing
            return move_params(self.summer, list_id, params["CREATE_COPY_SETTING"])
        if name == "AGENT_RESERVATION" or params.get("ACTION_TYPE") == "AGENT":
            return {**params, "RESERVATION_AGENT_ID": self._agent()}
        return {**PARAMS.get(name, {}), **params}

    def call_leads(self) -> None:
        """Let agents call the leads that are due, in the source campaign and in the target campaign."""
        campaigns = [self.spring, self.summer["campaignId"]]
        states = ["READY", "AGENT-CALLBACK"]
        self.perform("MANUAL_LEADS", PARAMS["MANUAL_LEADS"], campaignIds=campaigns, leadStates=states)

    def snapshot(self) -> dict[str, Any]:
        """Return everything that a user can observe, without dates: leads, lists and mails."""
        leads = [*self.server.leads(self.spring), *self.server.leads(self.summer["campaignId"])]
        campaigns = self.client.campaigns
        return {
            "leads": _without_dates(leads),
            "lists": campaigns.lists(campaigns.find(self.summer["campaignId"])),
            "mails": [(mail["to"], mail["lead_ids"]) for mail in self.server.outbox],
        }

    def count_requests(self, user_agent: str) -> int:
        """Return the number of finished lead action requests of a client."""
        requests = [request for request in self.server.requests if request.user_agent == user_agent]
        return sum(request.operation == "lead_action" for request in requests)

    def _agent(self) -> int:
        group = self.client.request("GET", f"{ROOT}/agentGroups")[0]["agentGroupId"]
        agent: int = self.client.request("GET", f"{ROOT}/agentGroups/{group}/agents")[0]["agentId"]
        return agent


@dataclass(frozen=True)
class Expected:
    """Effects of an action that succeeds, as snapshots of the scenario.

    :param before: before the action.
    :param after: after the action.
    :param after_calls: after agents have also called the leads that are due.
    :param result: result of the action.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    after_calls: dict[str, Any]
    result: ActionResult

    @classmethod
    def measure(cls, server: SandboxServer, variant: Any) -> Expected:
        """Perform the action without faults and record its effects."""
        scenario = Scenario(server)
        scenario.prepare(variant)
        before = scenario.snapshot()
        result = scenario.perform(variant.action.name, scenario.params(variant))
        after = scenario.snapshot()
        scenario.call_leads()
        return cls(before, after, scenario.snapshot(), result)


def forward(server: SandboxServer, request: bytes) -> bytes:
    """Forward a raw HTTP request to the sandbox; return the raw response."""
    address = urlsplit(server.url)
    with create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(request)
        response = HTTPResponse(connection)
        response.begin()
        body = response.read()
    head = f"HTTP/1.1 {response.status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def wait_for_requests(scenario: Scenario, user_agent: str, count: int) -> None:
    """Wait until the sandbox has finished requests of a client, which may have timed out earlier."""
    deadline = time.monotonic() + 10
    while scenario.count_requests(user_agent) < count and time.monotonic() < deadline:
        threading.Event().wait(0.002)


def _without_dates(value: Any) -> Any:
    """Return a JSON value without its dates and the durations between them."""
    if isinstance(value, list):
        return [_without_dates(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_dates(item) for key, item in value.items() if not _DATE_FIELDS.search(key)}
    return value


_DATE_FIELDS = re.compile(r"(Dts|Date|DialTime)$|^speedToLead")
