"""What the tests of the contract ask the sandbox for: real ids, and bodies as programs send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

ADMIN = "/voice/api/v1/admin"
ACCOUNT = f"{ADMIN}/accounts/{{accountId}}"
AGENT_GROUPS = f"{ACCOUNT}/agentGroups"
AGENTS = f"{AGENT_GROUPS}/{{agentGroupId}}/agents"
DIAL_GROUPS = f"{ACCOUNT}/dialGroups"
CAMPAIGNS = f"{DIAL_GROUPS}/{{dialGroupId}}/campaigns"
LOADER = f"{ACCOUNT}/campaigns/{{campaignId}}/leadLoader"
LEADS = f"{ACCOUNT}/campaignLeads"
SEARCH = f"POST {LEADS}/leadSearch"
ACT = f"PUT {LEADS}/actions"

Row = dict[str, Any]

AGENT = {"username": "contract@example.com", "firstName": "Con", "agentType": "AGENT", "isActive": True}
CSV = b"phone,id,first\n4155550190,contract-3,Ann\n4155550191,contract-4,Bob\n"

MANUAL = {
    "PASS_DISPOSITION": "Sale",
    "REQUEUE": "true",
    "DO_NOT_CALL": False,
    "PASS_DELAY": 5,
    "MERGE_ORIGINAL": "false",
}

#: What an action needs besides leads.
PARAMS: Mapping[str, Callable[[SeedData], Row]] = {
    "MANUAL_LEADS": lambda world: MANUAL,
    "EMAIL_LEADS": lambda world: {"EMAIL_TO": "ann@example.com"},
    "CALLBACK_LEADS": lambda world: {
        "ACTION_TYPE": "AGENT",
        "RESERVATION_AGENT_ID": world.ids["agentId"],
        "CALLBACK_DATE": "2026-07-24T16:00:00.000+0000",
    },
    "AGENT_RESERVATION": lambda world: {
        "RESERVATION_AGENT_ID": str(world.ids["agentId"]),
        "CALLBACK_DTS": "2026-07-24T16:00:00Z",
    },
    "MOVE_TO_CAMPAIGN": lambda world: {
        "CAMPAIGN_ID": world.ids["campaignId"],
        "LIST_ID": "0",
        "LIST_NAME": "Contract",
        "CREATE_COPY_SETTING": "TRANSITION",
        "DUPLICATE_ACTION_SETTING": "MOVE",
    },
}


@dataclass
class SeedData:
    """What there is to ask for, and who asks.

    :param server: the sandbox.
    :param session: signed in with a Bearer token.
    :param ids: parameters of paths, all of one campaign.
    """

    server: SandboxServer
    session: requests.Session
    ids: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, server: SandboxServer, session: requests.Session) -> SeedData:
        world = cls(server, session)
        campaign = server.campaign("Spring Renewals")
        world.ids = {
            "accountId": campaign["accountId"],
            "subAccountId": campaign["accountId"],
            "mainAccountId": "50810000",
            "dialGroupId": campaign["dialGroupId"],
            "campaignId": campaign["campaignId"],
            "leadId": world.leads()[0]["leadId"],
        }
        groups = world.ask(f"GET {AGENT_GROUPS}").json()
        world.ids["agentGroupId"] = groups[0]["agentGroupId"]
        world.ids["agentId"] = world.ask(f"GET {AGENTS}").json()[0]["agentId"]
        world.ids["token"] = world.ask(f"POST {ADMIN}/token").text
        return world

    def ask(self, label: str, json: object = None, **how: Any) -> requests.Response:
        """Send a request to an operation, with real ids in its path."""
        method, path = label.split(" ")
        if json is not None:
            how["json"] = json
        return self.session.request(method, self.server.url + path.format(**self.ids), timeout=20, **how)

    def leads(self) -> list[Row]:
        return self.server.leads("Spring Renewals")

    def platform_token(self) -> str:
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "sandbox-jwt"}
        answer = requests.post(
            f"{self.server.url}/restapi/oauth/token",
            data=grant,
            auth=("sandbox-client", "sandbox-secret"),
            timeout=20,
        )
        token: str = answer.json()["access_token"]
        return token

    def sign_in(self) -> Row:
        answer = requests.post(
            f"{self.server.url}/api/auth/login/rc/accesstoken?includeRefresh=true",
            data={"rcAccessToken": self.platform_token(), "rcTokenType": "Bearer"},
            timeout=20,
        )
        tokens: Row = answer.json()
        return tokens

    def preview(self) -> Row:
        """Upload a file, and return what RingCX says of it."""
        answer = self.ask(
            f"POST {LOADER}/preview",
            params={"fileType": "COMMA"},
            files={"file": ("leads.csv", CSV, "text/csv")},
        )
        assert answer.status_code == 201, answer.text
        seen: Row = answer.json()
        return seen


def some_leads(world: SeedData) -> Row:
    return {"leadIds": [lead["leadId"] for lead in world.leads()[:3]]}


def load(world: SeedData) -> Row:
    return {
        "description": "Contract",
        "dialPriority": "NORMAL",
        "duplicateHandling": "REMOVE_FROM_LIST",
        "timeZoneOption": "NPA_NXX",
        "uploadLeads": [
            {"externId": "one", "leadPhone": "4155550188", "reserveAgent": str(world.ids["agentId"])},
            {"externId": "two", "leadPhone": "4155550189", "extendedLeadData": {"vip": "yes"}},
            {"externId": "three", "leadPhone": "12"},
        ],
    }


def process(world: SeedData) -> Row:
    preview = world.preview()
    return {
        "transactionId": preview["transactionId"],
        "description": "Contract",
        "duplicateHandling": "RETAIN_ALL",
        "timeZoneOption": "NPA_NXX",
        "fileContainsHeaders": True,
        "fileType": "COMMA",
        "pageNumber": preview["pagePreviews"][0]["pageNumber"],
        "pageColumnMappings": {"LEAD_PHONE": 0, "EXTERN_ID": 1, "FIRST_NAME": 2},
    }
