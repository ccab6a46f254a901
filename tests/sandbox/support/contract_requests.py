"""Client and request bodies for contract tests: existing ids, and bodies as programs send them."""

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

#: Parameters of actions that require any.
PARAMS: Mapping[str, Callable[[ContractClient], Row]] = {
    "MANUAL_LEADS": lambda client: MANUAL,
    "EMAIL_LEADS": lambda client: {"EMAIL_TO": "ann@example.com"},
    "CALLBACK_LEADS": lambda client: {
        "ACTION_TYPE": "AGENT",
        "RESERVATION_AGENT_ID": client.ids["agentId"],
        "CALLBACK_DATE": "2026-07-24T16:00:00.000+0000",
    },
    "AGENT_RESERVATION": lambda client: {
        "RESERVATION_AGENT_ID": str(client.ids["agentId"]),
        "CALLBACK_DTS": "2026-07-24T16:00:00Z",
    },
    "MOVE_TO_CAMPAIGN": lambda client: {
        "CAMPAIGN_ID": client.ids["campaignId"],
        "LIST_ID": "0",
        "LIST_NAME": "Contract",
        "CREATE_COPY_SETTING": "TRANSITION",
        "DUPLICATE_ACTION_SETTING": "MOVE",
    },
}


@dataclass
class ContractClient:
    """Client that sends requests with existing ids in their paths.

    :param server: the sandbox.
    :param session: session authenticated with a Bearer token.
    :param ids: path parameters, all of one campaign.
    """

    server: SandboxServer
    session: requests.Session
    ids: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def create(cls, server: SandboxServer, session: requests.Session) -> ContractClient:
        """Return a client with the ids of the campaign "Spring Renewals"."""
        client = cls(server, session)
        campaign = server.campaign("Spring Renewals")
        client.ids = {
            "accountId": campaign["accountId"],
            "subAccountId": campaign["accountId"],
            "mainAccountId": "50810000",
            "dialGroupId": campaign["dialGroupId"],
            "campaignId": campaign["campaignId"],
            "leadId": client.leads()[0]["leadId"],
        }
        groups = client.send(f"GET {AGENT_GROUPS}").json()
        client.ids["agentGroupId"] = groups[0]["agentGroupId"]
        client.ids["agentId"] = client.send(f"GET {AGENTS}").json()[0]["agentId"]
        client.ids["token"] = client.send(f"POST {ADMIN}/token").text
        return client

    def send(self, label: str, json: object = None, **options: Any) -> requests.Response:
        """Send a request to an operation, with existing ids in its path."""
        method, path = label.split(" ")
        if json is not None:
            options["json"] = json
        return self.session.request(method, self.server.url + path.format(**self.ids), timeout=20, **options)

    def leads(self) -> list[Row]:
        """Return the leads of the campaign."""
        return self.server.leads("Spring Renewals")

    def platform_token(self) -> str:
        """Return a new access token of the RingCentral platform."""
        grant = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "sandbox-jwt"}
        response = requests.post(
            f"{self.server.url}/restapi/oauth/token",
            data=grant,
            auth=("sandbox-client", "sandbox-secret"),
            timeout=20,
        )
        token: str = response.json()["access_token"]
        return token

    def sign_in(self) -> Row:
        """Return new RingCX tokens."""
        response = requests.post(
            f"{self.server.url}/api/auth/login/rc/accesstoken?includeRefresh=true",
            data={"rcAccessToken": self.platform_token(), "rcTokenType": "Bearer"},
            timeout=20,
        )
        tokens: Row = response.json()
        return tokens

    def preview(self) -> Row:
        """Upload a file; return the preview."""
        response = self.send(
            f"POST {LOADER}/preview",
            params={"fileType": "COMMA"},
            files={"file": ("leads.csv", CSV, "text/csv")},
        )
        assert response.status_code == 201, response.text
        preview: Row = response.json()
        return preview


def some_leads(client: ContractClient) -> Row:
    """Return criteria that match three leads."""
    return {"leadIds": [lead["leadId"] for lead in client.leads()[:3]]}


def load(client: ContractClient) -> Row:
    """Return the body of a direct load."""
    return {
        "description": "Contract",
        "dialPriority": "NORMAL",
        "duplicateHandling": "REMOVE_FROM_LIST",
        "timeZoneOption": "NPA_NXX",
        "uploadLeads": [
            {"externId": "one", "leadPhone": "4155550188", "reserveAgent": str(client.ids["agentId"])},
            {"externId": "two", "leadPhone": "4155550189", "extendedLeadData": {"vip": "yes"}},
            {"externId": "three", "leadPhone": "12"},
        ],
    }


def process(client: ContractClient) -> Row:
    """Return the body that processes a new preview."""
    preview = client.preview()
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
