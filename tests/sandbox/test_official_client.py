"""RingCentral's own Python client, ``ringcentral_engage_voice``, against the sandbox.

It shares no code with this package, so it checks the sandbox independently.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import Row, move_params

ADMIN = "/api/v1/admin/accounts"
ACCOUNT = f"{ADMIN}/50810001"
ACTIONS = f"{ACCOUNT}/campaignLeads/actions"
SEARCH = f"{ACCOUNT}/campaignLeads/leadSearch"


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return the client's module; on import it reads a file "version" in the working directory."""
    monkeypatch.chdir(tmp_path)
    from ringcentral_engage_voice import engage_voice_client

    return engage_voice_client


@pytest.fixture
def official(library: Any, sandbox: SandboxServer) -> Any:
    """Return the client, authenticated by JWT."""
    client = library.RingCentralEngageVoice(
        "sandbox-client", "sandbox-secret", server=sandbox.url, rcServer=sandbox.url
    )
    client.authorize(jwt="sandbox-jwt")
    return client


def test_client_logs_in_by_password(library: Any, sandbox: SandboxServer) -> None:
    client = library.RingCentralEngageVoice(
        "sandbox-client", "sandbox-secret", server=sandbox.url, rcServer=sandbox.url
    )
    client.authorize(username="sandbox-user", extension="", password="sandbox-password")
    assert client.get(ADMIN).json()[0]["accountId"] == "50810001"


def body(criteria: Row, **params: object) -> Row:
    return {"campaignLeadSearchCriteria": criteria, "leadActionParams": {"paramMap": params}}


def paths(sandbox: SandboxServer) -> list[str]:
    return [request.path for request in sandbox.requests]


def find_campaign_by_name(official: Any, name: str) -> Row:
    """Return a campaign, as the guide's findCampaignByName()."""
    for account in official.get(ADMIN).json():
        groups = f"{ADMIN}/{account['accountId']}/dialGroups"
        for group in official.get(groups).json():
            for campaign in official.get(f"{groups}/{group['dialGroupId']}/campaigns").json():
                if campaign["campaignName"] == name:
                    found: Row = {**campaign, "path": f"{groups}/{group['dialGroupId']}/campaigns"}
                    return found
    raise AssertionError(f'Cannot find the campaign by name "{name}".')


def test_official_client_authenticates_with_two_requests(official: Any, sandbox: SandboxServer) -> None:
    assert paths(sandbox) == ["/restapi/oauth/token", "/api/auth/login/rc/accesstoken"]
    assert official.token["tokenType"] == "Bearer"
    assert [agent["accountId"] for agent in official.token["agentDetails"]] == ["50810001", "50810002"]


def test_official_client_runs_flow_of_guide(
    official: Any, sandbox: SandboxServer, leads: list[Row], spring: Row, summer: Row
) -> None:
    source = find_campaign_by_name(official, "Spring Renewals")
    target = find_campaign_by_name(official, "Summer Win-Back")
    assert (source["campaignId"], target["campaignId"]) == (spring["campaignId"], summer["campaignId"])
    lists = f"{target['path']}/{target['campaignId']}/lists"
    before = official.get(lists).json()

    criteria = {"campaignIds": [source["campaignId"]], "leadStates": ["READY"]}
    ready = {lead["leadId"] for lead in leads if lead["leadState"] == "READY"}
    assert official.post(SEARCH, criteria, {"count": "true"}).json() == len(ready)
    rows = official.post(SEARCH, criteria, {"page": 0, "maxRows": 5}).json()
    assert [row["leadId"] for row in rows] == sorted(ready)[:5]

    moved = official.put(
        ACTIONS, body(criteria, **move_params(target)), {"leadAction": "MOVE_TO_CAMPAIGN"}
    ).json()
    assert (moved["success"], moved["leadUpdateCount"]) == (True, len(ready))

    (new_list,) = [entry for entry in official.get(lists).json() if entry not in before]
    assert (new_list["listDesc"], new_list["leadsSupplied"]) == ("New Leads List", len(ready))
    assert {lead["leadId"] for lead in sandbox.leads() if lead["listId"] == new_list["listId"]} == ready
    assert official.post(SEARCH, {"listIds": [new_list["listId"]]}, {"count": "true"}).json() == len(ready)


def test_official_client_refreshes_expired_token_once(official: Any, sandbox: SandboxServer) -> None:
    old = official.token
    sandbox.expire_tokens()
    assert official.get(ADMIN).status_code == 200
    assert official.token["accessToken"] != old["accessToken"]
    assert official.token["refreshToken"] != old["refreshToken"]
    assert paths(sandbox)[2:] == [f"/voice{ADMIN}", "/api/auth/token/refresh", f"/voice{ADMIN}"]


def test_official_client_does_not_refresh_revoked_token(official: Any, sandbox: SandboxServer) -> None:
    """The client searches the body for "expired", which no other 401 may contain."""
    sandbox.revoke_tokens()
    with pytest.raises(Exception, match="HTTP status code: 401"):
        official.get(ADMIN)
    assert "/api/auth/token/refresh" not in paths(sandbox)


def test_official_client_authenticates_at_legacy_portal(
    library: Any, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LEGACY_SERVERS", [sandbox.url])
    legacy = library.RingCentralEngageVoice(server=sandbox.url)
    legacy.authorize(username="sandbox-user", password="sandbox-password")
    assert [account["accountId"] for account in legacy.get(ADMIN).json()] == ["50810001", "50810002"]
    assert legacy.post(SEARCH, {}, {"count": "true"}).json() > 0
    # Paths of a legacy portal have no /voice.
    assert paths(sandbox) == ["/api/v1/auth/login", ADMIN, SEARCH]


def test_official_client_fails_at_31st_action_in_loop(
    official: Any, sandbox: SandboxServer, leads: list[Row]
) -> None:
    done: list[int] = []

    def pause_in_loop() -> None:
        for lead in leads[:40]:
            official.put(ACTIONS, body({"leadIds": [lead["leadId"]]}), {"leadAction": "PAUSE_LEADS"})
            done.append(lead["leadId"])

    with pytest.raises(Exception, match=r"^HTTP status code: 429") as caught:
        pause_in_loop()

    assert len(done) == 30
    assert type(caught.value) is Exception
    assert str(caught.value).startswith("HTTP status code: 429")
    assert "retry" not in str(caught.value).lower()
    states = {lead["leadId"]: lead["leadState"] for lead in sandbox.leads()}
    assert {states[lead_id] for lead_id in done} == {"PAUSED"}
    assert states[leads[30]["leadId"]] == leads[30]["leadState"]
    assert Counter(request.status for request in sandbox.requests)[429] == 1

    # The response had the header that the client dropped.
    rejected = requests.put(
        f"{sandbox.url}/voice{ACTIONS}",
        params={"leadAction": "PAUSE_LEADS"},
        json=body({"leadIds": [leads[30]["leadId"]]}),
        headers={"Authorization": f"Bearer {official.token['accessToken']}"},
        timeout=20,
    )
    assert rejected.status_code == 429
    assert 1 <= int(rejected.headers["Retry-After"]) <= 10


@pytest.mark.parametrize(
    ("path", "status"),
    [
        # As in the guide's samples; the client encodes the question mark and the braces.
        (f"{ACTIONS}?leadAction=DELETE_LEADS", 404),
        (ACTIONS.replace("50810001", "{accountId}"), 403),
    ],
    ids=["query in the path", "placeholder"],
)
def test_official_client_path_with_query_changes_nothing(
    official: Any, sandbox: SandboxServer, leads: list[Row], path: str, status: int
) -> None:
    before = sandbox.leads()
    params = None if "?" in path else {"leadAction": "DELETE_LEADS"}
    with pytest.raises(Exception, match=f"HTTP status code: {status}"):
        official.put(path, body({"leadIds": [leads[0]["leadId"]]}), params)
    assert sandbox.leads() == before


def test_official_client_cannot_upload_file(official: Any, leads: list[Row]) -> None:
    """The client declares every body as JSON, so a multipart body is rejected."""
    with pytest.raises(Exception, match="HTTP status code: 400"):
        official.post(f"{SEARCH}ByPhoneList", files={"file": leads[0]["leadPhone"].encode()})


@pytest.mark.assumption(54)
def test_official_client_accepts_web_page_for_doubled_voice(
    official: Any, sandbox: SandboxServer, leads: list[Row]
) -> None:
    """The guide's JavaScript sample of 2020 has the prefix /voice, which this client adds to every path."""
    before = sandbox.leads()
    response = official.put(
        f"/voice{ACTIONS}", body({"leadIds": [leads[0]["leadId"]]}), {"leadAction": "DELETE_LEADS"}
    )
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert sandbox.leads() == before
