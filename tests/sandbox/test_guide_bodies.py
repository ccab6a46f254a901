"""Requests copied from the guide, sent to the sandbox and compared with those of the client.

The requests of the first half are sent without the client, so that an error shared by client and sandbox is
detected. The bodies are those of the Lead Actions guides of 2020-12-09 and 2024-01-23. Only what is not JSON
was changed: JavaScript's and Python's variables are ids, Python's comments are removed, and lines missing in
the guide of 2024 (braces, and ``"leadActionParams"`` with its ``"paramMap"``) are restored. The guide of 2024
shows only fragments of the bodies for deleting and mailing; a comment on each states what was added.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import Row
from tests.support.clients import make_client
from tests.support.raw_server import RawServer, raw_response, raw_server

ACCOUNTS = "/voice/api/v1/admin/accounts"

# Guide of 2020, "Move Leads into new Campaign", JavaScript; the guide of 2024 shows one line of it.
MOVE_2020 = """
    {
      "campaignLeadSearchCriteria":
      {
        "campaignId":<from>,
        "listIds":[],
        "agentDispositions":[],
        "systemDispositions":[],
        "leadStates":[],
        "physicalStates":[],
        "leadTimezones":[],
        "campaignIds":[<from>]
      },
      "leadActionParams":
      {
        "paramMap":
        {
          "CAMPAIGN_ID":<to>,
          "LIST_ID":"0",
          "LIST_NAME":"New Leads List",
          "CREATE_COPY_SETTING":"false",
          "DUPLICATE_ACTION_SETTING":"MOVE"
        }
      }
    }
"""

# Guide of 2024, the same request, Python's putBody.
MOVE_2024 = """
                    {
                        "campaignLeadSearchCriteria":
                        {
                            "campaignId": <from>,
                            "listIds": [],
                            "agentDispositions": [],
                            "systemDispositions": [],
                            "leadStates": [],
                            "physicalStates": [],
                            "leadTimezones": [],
                            "campaignIds": [<from>]
                        },
                        "leadActionParams":
                        {
                            "paramMap":
                            {
                                "CAMPAIGN_ID": <to>,
                                "LIST_ID": "0",
                                "LIST_NAME": "New Leads List",
                                "CREATE_COPY_SETTING": "false",
                                "DUPLICATE_ACTION_SETTING": "MOVE"
                            }
                        }
                    }
"""

# Guide of 2024, "Delete Leads": the body is not shown, the text names externId. Modelled on the move.
DELETE_2024 = """
    {
      "campaignLeadSearchCriteria": {
        "externIds": ["<extern>"]
      }
    }
"""

# Guide of 2024, "Email Leads": shows the outer keys and EMAIL_TO (the page masks its two addresses), but not
# the criteria; those of the move are used.
EMAIL_2024 = """
    {
      "campaignLeadSearchCriteria": {
        "campaignId": <from>,
        "campaignIds": [<from>]
      },
      "leadActionParams": {
        "paramMap": {
          "EMAIL_TO": "ann@example.com,bob@example.com"
        }
      }
    }
"""


@pytest.fixture(autouse=True)
def _no_cached_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the client's token cache, so that tests do not share tokens."""
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.refresh._TOKEN_SLOTS", {})


@dataclass
class GuideClient:
    """Client that sends requests from the guide, authenticated as documented there."""

    url: str
    access: str = ""
    refresh_token: str = ""

    def sign_in(self) -> None:
        """Request a platform token by JWT, and exchange it for RingCX tokens."""
        grant = requests.post(
            f"{self.url}/restapi/oauth/token",
            # sandbox-client:sandbox-secret
            headers={
                "Authorization": "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ=",
                "Content-Type": "application/x-www-form-urlencoded",
            },
            data="grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=sandbox-jwt",
            timeout=20,
        )
        assert grant.status_code == 200, grant.text
        self._request_tokens(
            "/api/auth/login/rc/accesstoken?includeRefresh=true",
            f"rcAccessToken={grant.json()['access_token']}&rcTokenType=Bearer",
        )

    def refresh(self) -> None:
        """Refresh both tokens."""
        self._request_tokens("/api/auth/token/refresh", f"refresh_token={self.refresh_token}")

    def _request_tokens(self, path: str, form: str) -> None:
        response = requests.post(
            self.url + path,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            data=form,
            timeout=20,
        )
        assert response.status_code == 200, response.text
        assert response.json()["tokenType"] == "Bearer"
        self.access, self.refresh_token = response.json()["accessToken"], response.json()["refreshToken"]

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, headers=self._headers(), timeout=20)

    def put(self, path: str, body: str) -> requests.Response:
        headers = {**self._headers(), "Content-Type": "application/json"}
        return requests.put(self.url + path, headers=headers, data=body.encode(), timeout=20)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@pytest.fixture
def guide_client(sandbox: SandboxServer) -> GuideClient:
    client = GuideClient(sandbox.url)
    client.sign_in()
    return client


def fill(body: str, **ids: object) -> str:
    """Replace the sample's variables by ids."""
    for name, value in ids.items():
        body = body.replace(f"<{name.rstrip('_')}>", str(value))
    return body


def find_campaign_by_name(guide_client: GuideClient, name: str) -> tuple[str, int, int]:
    """Return account, dial group and campaign, as the guide's findCampaignByName()."""
    for account in guide_client.get(ACCOUNTS).json():
        account_id = account["accountId"]
        for group in guide_client.get(f"{ACCOUNTS}/{account_id}/dialGroups").json():
            group_id = group["dialGroupId"]
            path = f"{ACCOUNTS}/{account_id}/dialGroups/{group_id}/campaigns"
            for campaign in guide_client.get(path).json():
                if campaign["campaignName"] == name:
                    return account_id, group_id, campaign["campaignId"]
    raise AssertionError(f'Cannot find the campaign by name "{name}".')


def read_lists(guide_client: GuideClient, location: tuple[str, int, int]) -> list[Row]:
    """Return the lists of a campaign, as the guide's "Find Existing Lists to Move Leads to"."""
    account, group, campaign = location
    response = guide_client.get(f"{ACCOUNTS}/{account}/dialGroups/{group}/campaigns/{campaign}/lists")
    assert response.status_code == 200, response.text
    found: list[Row] = response.json()
    return found


def test_guide_lookup_finds_campaign_by_name(guide_client: GuideClient, spring: Row) -> None:
    account, group, campaign = find_campaign_by_name(guide_client, "Spring Renewals")
    expected = (spring["accountId"], spring["dialGroupId"], spring["campaignId"])
    assert (account, group, campaign) == expected


@pytest.mark.parametrize("body", [MOVE_2020, MOVE_2024], ids=["2020", "2024"])
def test_guide_move_moves_campaign_into_new_list(
    sandbox: SandboxServer, guide_client: GuideClient, leads: list[Row], body: str
) -> None:
    source = find_campaign_by_name(guide_client, "Spring Renewals")
    target = find_campaign_by_name(guide_client, "Summer Win-Back")
    before = read_lists(guide_client, target)
    others = {lead["leadId"]: lead for lead in sandbox.leads()}

    response = guide_client.put(
        f"{ACCOUNTS}/{source[0]}/campaignLeads/actions?leadAction=MOVE_TO_CAMPAIGN",
        fill(body, from_=source[2], to=target[2]),
    )

    assert response.status_code == 200, response.text
    assert (response.json()["success"], response.json()["leadUpdateCount"]) == (True, len(leads))
    (new_list,) = [entry for entry in read_lists(guide_client, target) if entry["listId"] not in _ids(before)]
    assert new_list["listDesc"] == "New Leads List"
    after = {lead["leadId"]: lead for lead in sandbox.leads()}
    moved = {lead_id for lead_id, lead in after.items() if lead["listId"] == new_list["listId"]}
    assert moved == {lead["leadId"] for lead in leads}
    assert {after[lead_id]["campaignId"] for lead_id in moved} == {target[2]}
    assert all(after[lead_id] == others[lead_id] for lead_id in after.keys() - moved)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        # As printed in 2024 for BASE_URL .../voice; then as a query, which was probably intended.
        ("campaignLeads/actions=DELETE_LEADS", 404),
        ("campaignLeads/actions?actions=DELETE_LEADS", 400),
    ],
)
def test_guide_misprinted_delete_deletes_nothing(
    sandbox: SandboxServer, guide_client: GuideClient, leads: list[Row], path: str, status: int
) -> None:
    before = sandbox.leads()
    body = fill(DELETE_2024, extern=leads[0]["externId"])
    response = guide_client.put(f"{ACCOUNTS}/50810001/{path}", body)
    assert response.status_code == status
    assert sandbox.leads() == before


def test_guide_delete_by_extern_id_deletes_all_its_leads(
    sandbox: SandboxServer, guide_client: GuideClient, leads: list[Row]
) -> None:
    extern = leads[0]["externId"]
    deleted = {
        lead["leadId"]
        for lead in sandbox.leads()
        if lead["externId"] == extern and _account(sandbox, lead) == "50810001"
    }
    remaining = {lead["leadId"] for lead in sandbox.leads()} - deleted
    response = guide_client.put(
        f"{ACCOUNTS}/50810001/campaignLeads/actions?leadAction=DELETE_LEADS",
        fill(DELETE_2024, extern=extern),
    )
    assert response.json()["success"] is True
    assert (response.json()["leadUpdateCount"], response.json()["leadDeleteCount"]) == (0, len(deleted))
    assert {lead["leadId"] for lead in sandbox.leads()} == remaining


def test_guide_email_is_sent_to_both_addresses(
    sandbox: SandboxServer, guide_client: GuideClient, spring: Row
) -> None:
    before = sandbox.leads()
    response = guide_client.put(
        f"{ACCOUNTS}/50810001/campaignLeads/actions?leadAction=EMAIL_LEADS",
        fill(EMAIL_2024, from_=spring["campaignId"]),
    )
    assert response.json()["success"] is True
    (mail,) = sandbox.outbox
    assert mail["to"] == ["ann@example.com", "bob@example.com"]
    assert set(mail["lead_ids"]) == _ids(sandbox.leads("Spring Renewals"), "leadId")
    assert sandbox.leads() == before


def test_guide_refresh_replaces_expired_token(sandbox: SandboxServer, guide_client: GuideClient) -> None:
    first = guide_client.access, guide_client.refresh_token
    sandbox.advance(300)
    response = guide_client.get(ACCOUNTS)
    assert (response.status_code, response.text) == (401, "Jwt is expired")
    assert response.headers["content-type"].startswith("text/plain")
    guide_client.refresh()
    assert guide_client.access != first[0]
    assert guide_client.refresh_token != first[1]
    assert guide_client.get(ACCOUNTS).status_code == 200


@dataclass(frozen=True)
class WireRequest:
    """A request as sent over the network."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> WireRequest:
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        parts = urlsplit(target)
        return cls(method, parts.path, parse_qs(parts.query, keep_blank_values=True), headers, body)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


@pytest.fixture
def wire(sandbox: SandboxServer) -> Iterator[RawServer]:
    """Proxy in front of the sandbox that records every byte the client sends."""

    def forward(number: int, raw: bytes) -> bytes:
        request = WireRequest.of(raw)
        forwarded = ("authorization", "content-type")
        response = requests.request(
            request.method,
            sandbox.url + raw.split(b" ")[1].decode(),
            headers={name: request.headers[name] for name in forwarded if name in request.headers},
            data=request.body,
            timeout=20,
        )
        try:
            return raw_response(response.json(), f"{response.status_code} {response.reason}")
        except ValueError:
            text = response.content
            kind = f"Content-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
            return f"HTTP/1.1 {response.status_code} {response.reason}\r\n{kind}".encode() + text

    with raw_server(forward) as server:
        yield server


def requests_to(wire: RawServer, suffix: str) -> list[WireRequest]:
    """Return the requests to paths with this suffix."""
    return [each for each in map(WireRequest.of, wire.received) if each.path.endswith(suffix)]


def filters(criteria: Row) -> Row:
    """Return the criteria without empty lists, which do not filter, as the guide's samples rely on."""
    return {key: value for key, value in criteria.items() if value != []}


def as_strings(params: Row) -> Row:
    """Return parameters as strings, since the guides of 2020 and 2026 use different types."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in params.items()
    }


Sample = Callable[[Row, Row, list[Row]], str]
SAMPLES: dict[str, Sample] = {
    "DELETE_LEADS": lambda spring, summer, leads: fill(DELETE_2024, extern=leads[0]["externId"]),
    "EMAIL_LEADS": lambda spring, summer, leads: fill(EMAIL_2024, from_=spring["campaignId"]),
    "MOVE_TO_CAMPAIGN": lambda spring, summer, leads: fill(
        MOVE_2020, from_=spring["campaignId"], to=summer["campaignId"]
    ),
}


@pytest.mark.parametrize("action", sorted(SAMPLES))
def test_client_sends_same_action_as_guide(
    wire: RawServer, spring: Row, summer: Row, leads: list[Row], action: str
) -> None:
    body = json.loads(SAMPLES[action](spring, summer, leads))
    criteria = body["campaignLeadSearchCriteria"]
    params = body.get("leadActionParams", {}).get("paramMap", {})

    client = make_client(wire.url)
    client.lead_actions().execute(
        BulkAction.create(action, build_selection(criteria, runtime_keys=()), params)
    )
    client.close()

    (sent,) = requests_to(wire, "/actions")
    assert (sent.method, sent.path) == ("PUT", f"{ACCOUNTS}/50810001/campaignLeads/actions")
    assert sent.query == {"leadAction": [action]}
    assert (sent.headers["content-type"], sent.headers["accept"]) == ("application/json",) * 2
    assert sent.headers["authorization"].startswith("Bearer ")
    assert sent.json.keys() == {"campaignLeadSearchCriteria", "leadActionParams"}
    assert filters(sent.json["campaignLeadSearchCriteria"]) == filters(criteria)
    assert sent.json["leadActionParams"].keys() == {"paramMap"}
    assert as_strings(sent.json["leadActionParams"]["paramMap"]) == as_strings(params)
    # The count before the action uses the same criteria.
    (count, *_) = requests_to(wire, "/leadSearch")
    assert (count.method, count.query) == ("POST", {"count": ["true"]})
    assert count.json == sent.json["campaignLeadSearchCriteria"]


def test_client_requests_same_tokens_as_guide(sandbox: SandboxServer, wire: RawServer) -> None:
    client = make_client(wire.url)
    client.campaigns.accounts()
    sandbox.expire_tokens()
    client.campaigns.accounts()
    client.close()

    (grant,), (exchange,), (refresh,) = (
        requests_to(wire, suffix) for suffix in ("/oauth/token", "/rc/accesstoken", "/token/refresh")
    )
    assert (grant.method, grant.path, grant.query) == ("POST", "/restapi/oauth/token", {})
    assert grant.headers["authorization"] == "Basic c2FuZGJveC1jbGllbnQ6c2FuZGJveC1zZWNyZXQ="
    assert grant.form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "sandbox-jwt",
    }
    assert (exchange.method, exchange.path) == ("POST", "/api/auth/login/rc/accesstoken")
    assert exchange.query == {"includeRefresh": ["true"]}
    assert exchange.form.keys() == {"rcAccessToken", "rcTokenType"}
    assert exchange.form["rcTokenType"] == "Bearer"
    assert (refresh.method, refresh.path, refresh.query) == ("POST", "/api/auth/token/refresh", {})
    assert refresh.form.keys() == {"refresh_token"}
    for each in (grant, exchange, refresh):
        assert each.headers["content-type"] == "application/x-www-form-urlencoded"
    # No Bearer token is sent to the token endpoints.
    assert "authorization" not in exchange.headers.keys() | refresh.headers.keys()


def test_client_reads_same_paths_as_guide(wire: RawServer, spring: Row) -> None:
    client = make_client(wire.url, account_id=None)
    campaign = client.campaigns.find(
        "Spring Renewals", account_id=client.campaigns.accounts()[0]["account_id"]
    )
    client.campaigns.lists(campaign)
    client.close()

    (accounts,) = requests_to(wire, "/accounts")
    (lists_read,) = requests_to(wire, "/lists")
    assert (accounts.method, accounts.path, accounts.query, accounts.body) == ("GET", ACCOUNTS, {}, b"")
    path = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}"
    assert (lists_read.method, lists_read.path) == ("GET", f"{ACCOUNTS}/50810001/{path}/lists")
    assert lists_read.query == {}


def _ids(rows: list[Row], key: str = "listId") -> set[int]:
    return {row[key] for row in rows}


def _account(sandbox: SandboxServer, lead: Row) -> str:
    account: str = sandbox.campaign(lead["campaignName"])["accountId"]
    return account
