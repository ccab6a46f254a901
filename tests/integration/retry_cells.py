"""The cells of docs/retry-semantics.md: every action and failure, before and after it was applied."""

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
from airflow_provider_engagevoice.ringcx.endpoints import Request
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS, NEW_LIST
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import PARAMS, ROOT, client_of, move_to

TABLE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "docs" / "retry_matrix.py"))

#: Seconds after which a client gives a silent server up; the sandbox reads a request in far less.
SHORT = 0.25

#: What the sandbox does wrong in each way to fail; nothing where it is done to the connection or the client.
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

#: What the leads went through before, so that the action's effect can be seen.
_PREPARED: Mapping[tuple[str, str], tuple[str, dict[str, Any]]] = {
    ("RESET_LEADS", ""): ("MANUAL_LEADS", {**PARAMS["MANUAL_LEADS"], "REQUEUE": True}),
    ("READY_LEADS", ""): ("PAUSE_LEADS", {}),
    ("UNSUPPRESS_LEADS", ""): ("SUPPRESS_LEADS", {}),
    ("CALLBACK_LEADS", "CANCEL"): ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT"}),
    ("CALLBACK_LEADS", "RESET"): ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT"}),
}


@dataclass(frozen=True)
class Cell:
    """One cell of the table, at one moment.

    :param variant: the action, as ``scripts/docs/retry_matrix.py`` has it.
    :param way: how the request fails.
    :param failure: what that says.
    :param moment: ``before`` or ``after`` the request took effect.
    """

    variant: Any
    way: str
    failure: FailureKind
    moment: str

    def __str__(self) -> str:
        said = " ".join([self.variant.action.name, *self.variant.params.values(), self.way, self.moment])
        return said.replace("`", "").replace(": ", "-").replace(" ", "-")

    @property
    def word(self) -> str:
        """What the table says."""
        word: str = self.variant.word(self.failure)
        return word


def cells() -> Iterator[Cell]:
    """Give all cells, in the order of the table."""
    for variant in TABLE["variants"]():
        for way, failure in TABLE["columns"]():
            for moment in ("before", "after") if failure.maybe_applied else ("before",):
                yield Cell(variant, way, failure, moment)


@dataclass
class World:
    """A sandbox as new, and three leads that something is done to.

    :param server: the sandbox.
    """

    server: SandboxServer
    client: RingCXClient = field(init=False)

    def __post_init__(self) -> None:
        self.server.reset()
        self.client = client_of(self.server.url, "api_token")
        self.spring = self.server.campaign("Spring Renewals")["campaignId"]
        self.summer = self.server.campaign("Summer Win-Back")
        ready = [lead for lead in self.server.leads(self.spring) if lead["leadState"] == "READY"]
        self.ids = [lead["leadId"] for lead in ready[:3]]

    def perform(
        self, name: str, params: Mapping[str, Any], request: Request | None = None, **more: Any
    ) -> ActionResult:
        """Do an action; with ``request`` only the acting itself goes that way, and looking does not."""
        criteria = {"campaignIds": [self.spring], "leadIds": self.ids, **more}
        actions = LeadActionExecutor(
            request or self.client.request, self.client.leads(), self.client.campaigns
        )
        return actions.perform(BulkAction(ACTIONS[name], Selection(criteria), params))

    def prepare(self, variant: Any) -> None:
        """Bring the leads to where the action changes them."""
        key = (variant.action.name, variant.params.get("ACTION_TYPE", ""))
        if key in _PREPARED:
            name, params = _PREPARED[key]
            agent = {"RESERVATION_AGENT_ID": self._agent()} if name == "CALLBACK_LEADS" else {}
            self.perform(name, {**params, **agent})

    def params(self, variant: Any) -> dict[str, Any]:
        """Write the whole ``paramMap`` of a variant."""
        name, chosen = variant.action.name, dict(variant.params)
        if name == "MOVE_TO_CAMPAIGN":
            existing = self.server.leads(self.summer["campaignId"])[0]["listId"]
            list_id = 0 if chosen["LIST_ID"] == NEW_LIST else existing
            return move_to(self.summer, list_id, chosen["CREATE_COPY_SETTING"])
        if name == "AGENT_RESERVATION" or chosen.get("ACTION_TYPE") == "AGENT":
            return {**chosen, "RESERVATION_AGENT_ID": self._agent()}
        return {**PARAMS.get(name, {}), **chosen}

    def call_leads(self) -> None:
        """Let agents call those of the leads that are to be called, wherever they are by now."""
        campaigns = [self.spring, self.summer["campaignId"]]
        states = ["READY", "AGENT-CALLBACK"]
        self.perform("MANUAL_LEADS", PARAMS["MANUAL_LEADS"], campaignIds=campaigns, leadStates=states)

    def look(self) -> dict[str, Any]:
        """See all that a user could notice, but for dates."""
        leads = [*self.server.leads(self.spring), *self.server.leads(self.summer["campaignId"])]
        campaigns = self.client.campaigns
        return {
            "leads": _without_dates(leads),
            "lists": campaigns.lists(campaigns.find(self.summer["campaignId"])),
            "mails": [(mail["to"], mail["lead_ids"]) for mail in self.server.outbox],
        }

    def sent(self, agent: str) -> int:
        """How many requests to act have come from a client of this name, and are over."""
        seen = [each for each in self.server.requests if each.user_agent == agent]
        return sum(each.operation == "lead_action" for each in seen)

    def _agent(self) -> int:
        group = self.client.request("GET", f"{ROOT}/agentGroups")[0]["agentGroupId"]
        agent: int = self.client.request("GET", f"{ROOT}/agentGroups/{group}/agents")[0]["agentId"]
        return agent


@dataclass(frozen=True)
class Expected:
    """What becomes of the world where nothing goes wrong.

    :param untouched: before the action.
    :param once: after it.
    :param called: after it, when agents have called leads that are to be called.
    :param summary: what it says it did.
    """

    untouched: dict[str, Any]
    once: dict[str, Any]
    called: dict[str, Any]
    summary: ActionResult

    @classmethod
    def of(cls, server: SandboxServer, variant: Any) -> Expected:
        """Try it."""
        world = World(server)
        world.prepare(variant)
        untouched = world.look()
        summary = world.perform(variant.action.name, world.params(variant))
        once = world.look()
        world.call_leads()
        return cls(untouched, once, world.look(), summary)


def forward(server: SandboxServer, request: bytes) -> bytes:
    """Pass a request on to the sandbox, and give its answer."""
    address = urlsplit(server.url)
    with create_connection((address.hostname or "", address.port or 0)) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    head = f"HTTP/1.1 {answer.status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}\r\n".encode() + body


def wait_for(world: World, agent: str, count: int) -> None:
    """Wait until so many requests of a client are over: the sandbox ends after the client does."""
    ends = time.monotonic() + 10
    while world.sent(agent) < count and time.monotonic() < ends:
        threading.Event().wait(0.002)


def _without_dates(value: Any) -> Any:
    """Leave out dates, and the seconds between two of them."""
    if isinstance(value, list):
        return [_without_dates(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_dates(each) for key, each in value.items() if not _DATED.search(key)}
    return value


_DATED = re.compile(r"(Dts|Date|DialTime)$|^speedToLead")
