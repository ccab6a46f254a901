"""The guide's own requests, copied by hand, and the client's for the same purpose, compared with them.

Nothing of the client sends the requests of the first half, so a mistake that client and sandbox share
shows up here. The bodies are those of the Lead Actions guides of 2020-12-09 and 2024-01-23. Changed is
only what is no JSON: JavaScript's and Python's variables are ids, Python's comments are gone, and lines
that the guide of 2024 lost in print (braces, and ``"leadActionParams"`` with its ``"paramMap"``) are back.
Of the bodies of 2024 to delete and to e-mail only fragments were printed; what is added to them is said
beside each.
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

# Guide of 2020, "Move Leads into new Campaign", JavaScript; the guide of 2024 prints one line of it.
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

# Guide of 2024, the same, Python's putBody.
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

# Guide of 2024, "Delete Leads": the body is not printed, its text names externId. Written after the move's.
DELETE_2024 = """
    {
      "campaignLeadSearchCriteria": {
        "externIds": ["<extern>"]
      }
    }
"""

# Guide of 2024, "Email Leads": printed are the outer keys and EMAIL_TO (its two addresses are masked by
# the page); the criteria are not, and are the move's.
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
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds the client's tokens of another."""
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.refresh._TOKEN_SLOTS", {})


@dataclass
class ByHand:
    """Sends what the guide prints, signed in the way it documents."""

    url: str
    access: str = ""
    refresh_token: str = ""

    def sign_in(self) -> None:
        """Step 1, the platform's JWT grant; step 2, the exchange."""
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
        self._take(
            "/api/auth/login/rc/accesstoken?includeRefresh=true",
            f"rcAccessToken={grant.json()['access_token']}&rcTokenType=Bearer",
        )

    def refresh(self) -> None:
        """Both tokens are replaced."""
        self._take("/api/auth/token/refresh", f"refresh_token={self.refresh_token}")

    def _take(self, path: str, form: str) -> None:
        answer = requests.post(
            self.url + path,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            data=form,
            timeout=20,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["tokenType"] == "Bearer"
        self.access, self.refresh_token = answer.json()["accessToken"], answer.json()["refreshToken"]

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, headers=self._headers(), timeout=20)

    def put(self, path: str, body: str) -> requests.Response:
        headers = {**self._headers(), "Content-Type": "application/json"}
        return requests.put(self.url + path, headers=headers, data=body.encode(), timeout=20)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


@pytest.fixture
def by_hand(sandbox: SandboxServer) -> ByHand:
    caller = ByHand(sandbox.url)
    caller.sign_in()
    return caller


def filled(body: str, **ids: object) -> str:
    """Put ids in the places of the sample's variables."""
    for name, value in ids.items():
        body = body.replace(f"<{name.rstrip('_')}>", str(value))
    return body


def find_campaign_by_name(by_hand: ByHand, name: str) -> tuple[str, int, int]:
    """The guide's findCampaignByName(): account, dial group, campaign."""
    for account in by_hand.get(ACCOUNTS).json():
        account_id = account["accountId"]
        for group in by_hand.get(f"{ACCOUNTS}/{account_id}/dialGroups").json():
            group_id = group["dialGroupId"]
            path = f"{ACCOUNTS}/{account_id}/dialGroups/{group_id}/campaigns"
            for campaign in by_hand.get(path).json():
                if campaign["campaignName"] == name:
                    return account_id, group_id, campaign["campaignId"]
    raise AssertionError(f'Cannot find the campaign by name "{name}".')


def lists(by_hand: ByHand, place: tuple[str, int, int]) -> list[Row]:
    """The guide's "Find Existing Lists to Move Leads to"."""
    account, group, campaign = place
    answer = by_hand.get(f"{ACCOUNTS}/{account}/dialGroups/{group}/campaigns/{campaign}/lists")
    assert answer.status_code == 200, answer.text
    found: list[Row] = answer.json()
    return found


def test_the_walk_of_the_guide_finds_a_campaign_by_its_name(by_hand: ByHand, spring: Row) -> None:
    account, group, campaign = find_campaign_by_name(by_hand, "Spring Renewals")
    expected = (spring["accountId"], spring["dialGroupId"], spring["campaignId"])
    assert (account, group, campaign) == expected


@pytest.mark.parametrize("body", [MOVE_2020, MOVE_2024], ids=["2020", "2024"])
def test_the_printed_move_moves_the_campaign_into_a_new_list(
    sandbox: SandboxServer, by_hand: ByHand, leads: list[Row], body: str
) -> None:
    source = find_campaign_by_name(by_hand, "Spring Renewals")
    target = find_campaign_by_name(by_hand, "Summer Win-Back")
    before = lists(by_hand, target)
    others = {lead["leadId"]: lead for lead in sandbox.leads()}

    answer = by_hand.put(
        f"{ACCOUNTS}/{source[0]}/campaignLeads/actions?leadAction=MOVE_TO_CAMPAIGN",
        filled(body, from_=source[2], to=target[2]),
    )

    assert answer.status_code == 200, answer.text
    assert (answer.json()["success"], answer.json()["leadUpdateCount"]) == (True, len(leads))
    (made,) = [entry for entry in lists(by_hand, target) if entry["listId"] not in _ids(before)]
    assert made["listDesc"] == "New Leads List"
    after = {lead["leadId"]: lead for lead in sandbox.leads()}
    moved = {lead_id for lead_id, lead in after.items() if lead["listId"] == made["listId"]}
    assert moved == {lead["leadId"] for lead in leads}
    assert {after[lead_id]["campaignId"] for lead_id in moved} == {target[2]}
    assert all(after[lead_id] == others[lead_id] for lead_id in after.keys() - moved)


@pytest.mark.parametrize(
    ("printed", "status"),
    [
        # As printed in 2024 for BASE_URL .../voice; then as a query, which is how it was meant.
        ("campaignLeads/actions=DELETE_LEADS", 404),
        ("campaignLeads/actions?actions=DELETE_LEADS", 400),
    ],
)
def test_the_misprinted_delete_is_refused_and_deletes_nothing(
    sandbox: SandboxServer, by_hand: ByHand, leads: list[Row], printed: str, status: int
) -> None:
    before = sandbox.leads()
    body = filled(DELETE_2024, extern=leads[0]["externId"])
    answer = by_hand.put(f"{ACCOUNTS}/50810001/{printed}", body)
    assert answer.status_code == status
    assert sandbox.leads() == before


def test_deleting_by_extern_id_deletes_every_lead_that_has_it(
    sandbox: SandboxServer, by_hand: ByHand, leads: list[Row]
) -> None:
    extern = leads[0]["externId"]
    gone = {
        lead["leadId"]
        for lead in sandbox.leads()
        if lead["externId"] == extern and _account(sandbox, lead) == "50810001"
    }
    kept = {lead["leadId"] for lead in sandbox.leads()} - gone
    answer = by_hand.put(
        f"{ACCOUNTS}/50810001/campaignLeads/actions?leadAction=DELETE_LEADS",
        filled(DELETE_2024, extern=extern),
    )
    assert answer.json()["success"] is True
    assert (answer.json()["leadUpdateCount"], answer.json()["leadDeleteCount"]) == (0, len(gone))
    assert {lead["leadId"] for lead in sandbox.leads()} == kept


def test_the_printed_e_mail_reaches_both_addresses(
    sandbox: SandboxServer, by_hand: ByHand, spring: Row
) -> None:
    before = sandbox.leads()
    answer = by_hand.put(
        f"{ACCOUNTS}/50810001/campaignLeads/actions?leadAction=EMAIL_LEADS",
        filled(EMAIL_2024, from_=spring["campaignId"]),
    )
    assert answer.json()["success"] is True
    (mail,) = sandbox.outbox
    assert mail["to"] == ["ann@example.com", "bob@example.com"]
    assert set(mail["lead_ids"]) == _ids(sandbox.leads("Spring Renewals"), "leadId")
    assert sandbox.leads() == before


def test_after_five_minutes_a_refresh_goes_on_where_the_token_ended(
    sandbox: SandboxServer, by_hand: ByHand
) -> None:
    first = by_hand.access, by_hand.refresh_token
    sandbox.advance(300)
    answer = by_hand.get(ACCOUNTS)
    assert (answer.status_code, answer.text) == (401, "Jwt is expired")
    assert answer.headers["content-type"].startswith("text/plain")
    by_hand.refresh()
    assert by_hand.access != first[0]
    assert by_hand.refresh_token != first[1]
    assert by_hand.get(ACCOUNTS).status_code == 200


@dataclass(frozen=True)
class Seen:
    """One request as it came over the wire."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, raw: bytes) -> Seen:
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
    """A bare socket in front of the sandbox, which keeps every byte that the client sends."""

    def pass_on(number: int, raw: bytes) -> bytes:
        asked = Seen.of(raw)
        kept = ("authorization", "content-type")
        answer = requests.request(
            asked.method,
            sandbox.url + raw.split(b" ")[1].decode(),
            headers={name: asked.headers[name] for name in kept if name in asked.headers},
            data=asked.body,
            timeout=20,
        )
        try:
            return raw_response(answer.json(), f"{answer.status_code} {answer.reason}")
        except ValueError:
            text = answer.content
            kind = f"Content-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
            return f"HTTP/1.1 {answer.status_code} {answer.reason}\r\n{kind}".encode() + text

    with raw_server(pass_on) as server:
        yield server


def seen(wire: RawServer, ending: str) -> list[Seen]:
    """The requests to paths with this end, as they came."""
    return [each for each in map(Seen.of, wire.received) if each.path.endswith(ending)]


def filters(criteria: Row) -> Row:
    """What criteria select by: an empty list is no filter, as the guide's samples rely on."""
    return {key: value for key, value in criteria.items() if value != []}


def as_texts(params: Row) -> Row:
    """Parameters as texts, since the guides of 2020 and 2026 spell the same values differently."""
    return {
        key: str(value).lower() if isinstance(value, bool) else str(value) for key, value in params.items()
    }


Sample = Callable[[Row, Row, list[Row]], str]
SAMPLES: dict[str, Sample] = {
    "DELETE_LEADS": lambda spring, summer, leads: filled(DELETE_2024, extern=leads[0]["externId"]),
    "EMAIL_LEADS": lambda spring, summer, leads: filled(EMAIL_2024, from_=spring["campaignId"]),
    "MOVE_TO_CAMPAIGN": lambda spring, summer, leads: filled(
        MOVE_2020, from_=spring["campaignId"], to=summer["campaignId"]
    ),
}


@pytest.mark.parametrize("action", sorted(SAMPLES))
def test_the_client_sends_what_the_guide_prints(
    wire: RawServer, spring: Row, summer: Row, leads: list[Row], action: str
) -> None:
    printed = json.loads(SAMPLES[action](spring, summer, leads))
    criteria = printed["campaignLeadSearchCriteria"]
    params = printed.get("leadActionParams", {}).get("paramMap", {})

    client = make_client(wire.url)
    client.lead_actions().perform(BulkAction.of(action, build_selection(criteria, runtime_keys=()), params))
    client.close()

    (sent,) = seen(wire, "/actions")
    assert (sent.method, sent.path) == ("PUT", f"{ACCOUNTS}/50810001/campaignLeads/actions")
    assert sent.query == {"leadAction": [action]}
    assert (sent.headers["content-type"], sent.headers["accept"]) == ("application/json",) * 2
    assert sent.headers["authorization"].startswith("Bearer ")
    assert sent.json.keys() == {"campaignLeadSearchCriteria", "leadActionParams"}
    assert filters(sent.json["campaignLeadSearchCriteria"]) == filters(criteria)
    assert sent.json["leadActionParams"].keys() == {"paramMap"}
    assert as_texts(sent.json["leadActionParams"]["paramMap"]) == as_texts(params)
    # What it counted before is what it acts on.
    (counted, *_) = seen(wire, "/leadSearch")
    assert (counted.method, counted.query) == ("POST", {"count": ["true"]})
    assert counted.json == sent.json["campaignLeadSearchCriteria"]


def test_the_client_signs_in_as_the_guide_prints(sandbox: SandboxServer, wire: RawServer) -> None:
    client = make_client(wire.url)
    client.campaigns.accounts()
    sandbox.expire_tokens()
    client.campaigns.accounts()
    client.close()

    (grant,), (exchange,), (refresh,) = (
        seen(wire, ending) for ending in ("/oauth/token", "/rc/accesstoken", "/token/refresh")
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
    # The bearer token is nobody's business at the sign-in.
    assert "authorization" not in exchange.headers.keys() | refresh.headers.keys()


def test_the_client_reads_accounts_and_lists_where_the_guide_does(wire: RawServer, spring: Row) -> None:
    client = make_client(wire.url, account_id=None)
    campaign = client.campaigns.find(
        "Spring Renewals", account_id=client.campaigns.accounts()[0]["account_id"]
    )
    client.campaigns.lists(campaign)
    client.close()

    (accounts,) = seen(wire, "/accounts")
    (lists_read,) = seen(wire, "/lists")
    assert (accounts.method, accounts.path, accounts.query, accounts.body) == ("GET", ACCOUNTS, {}, b"")
    place = f"dialGroups/{spring['dialGroupId']}/campaigns/{spring['campaignId']}"
    assert (lists_read.method, lists_read.path) == ("GET", f"{ACCOUNTS}/50810001/{place}/lists")
    assert lists_read.query == {}


def _ids(rows: list[Row], key: str = "listId") -> set[int]:
    return {row[key] for row in rows}


def _account(sandbox: SandboxServer, lead: Row) -> str:
    account: str = sandbox.campaign(lead["campaignName"])["accountId"]
    return account
