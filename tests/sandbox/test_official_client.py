"""RingCentral's own Python client, ``ringcentral_engage_voice``, at work on the sandbox.

It shares no line with this package, so what it can do here it was made to do at RingCX.
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
    """The client's module. On import it reads a file "version" of the current folder."""
    monkeypatch.chdir(tmp_path)
    from ringcentral_engage_voice import engage_voice_client

    return engage_voice_client


@pytest.fixture
def official(library: Any, sandbox: SandboxServer) -> Any:
    """The client, signed in by JWT."""
    client = library.RingCentralEngageVoice(
        "sandbox-client", "sandbox-secret", server=sandbox.url, rcServer=sandbox.url
    )
    client.authorize(jwt="sandbox-jwt")
    return client


def body(criteria: Row, **params: object) -> Row:
    return {"campaignLeadSearchCriteria": criteria, "leadActionParams": {"paramMap": params}}


def paths(sandbox: SandboxServer) -> list[str]:
    return [request.path for request in sandbox.requests]


def find_campaign_by_name(official: Any, name: str) -> Row:
    """The guide's findCampaignByName()."""
    for account in official.get(ADMIN).json():
        place = f"{ADMIN}/{account['accountId']}/dialGroups"
        for group in official.get(place).json():
            for campaign in official.get(f"{place}/{group['dialGroupId']}/campaigns").json():
                if campaign["campaignName"] == name:
                    found: Row = {**campaign, "place": f"{place}/{group['dialGroupId']}/campaigns"}
                    return found
    raise AssertionError(f'Cannot find the campaign by name "{name}".')


def test_it_signs_in_by_jwt_with_one_grant_and_one_exchange(official: Any, sandbox: SandboxServer) -> None:
    assert paths(sandbox) == ["/restapi/oauth/token", "/api/auth/login/rc/accesstoken"]
    assert official.token["tokenType"] == "Bearer"
    assert [agent["accountId"] for agent in official.token["agentDetails"]] == ["50810001", "50810002"]


def test_it_runs_the_whole_flow_of_the_guide(
    official: Any, sandbox: SandboxServer, leads: list[Row], spring: Row, summer: Row
) -> None:
    source = find_campaign_by_name(official, "Spring Renewals")
    target = find_campaign_by_name(official, "Summer Win-Back")
    assert (source["campaignId"], target["campaignId"]) == (spring["campaignId"], summer["campaignId"])
    lists = f"{target['place']}/{target['campaignId']}/lists"
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

    (made,) = [entry for entry in official.get(lists).json() if entry not in before]
    assert (made["listDesc"], made["leadsSupplied"]) == ("New Leads List", len(ready))
    assert {lead["leadId"] for lead in sandbox.leads() if lead["listId"] == made["listId"]} == ready
    assert official.post(SEARCH, {"listIds": [made["listId"]]}, {"count": "true"}).json() == len(ready)


def test_it_refreshes_once_when_its_token_has_expired(official: Any, sandbox: SandboxServer) -> None:
    old = official.token
    sandbox.expire_tokens()
    assert official.get(ADMIN).status_code == 200
    assert official.token["accessToken"] != old["accessToken"]
    assert official.token["refreshToken"] != old["refreshToken"]
    assert paths(sandbox)[2:] == [f"/voice{ADMIN}", "/api/auth/token/refresh", f"/voice{ADMIN}"]


def test_it_does_not_refresh_a_token_that_is_refused_for_another_reason(
    official: Any, sandbox: SandboxServer
) -> None:
    """It looks for the word "expired", which no other refusal may have."""
    sandbox.revoke_tokens()
    with pytest.raises(Exception, match="HTTP status code: 401"):
        official.get(ADMIN)
    assert "/api/auth/token/refresh" not in paths(sandbox)


def test_it_signs_in_to_a_legacy_portal(
    library: Any, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LEGACY_SERVERS", [sandbox.url])
    legacy = library.RingCentralEngageVoice(server=sandbox.url)
    legacy.authorize(username="sandbox-user", password="sandbox-password")
    assert [account["accountId"] for account in legacy.get(ADMIN).json()] == ["50810001", "50810002"]
    assert legacy.post(SEARCH, {}, {"count": "true"}).json() > 0
    # No path of a portal has /voice.
    assert paths(sandbox) == ["/api/v1/auth/login", ADMIN, SEARCH]


def test_in_a_loop_it_stops_at_the_31st_action_and_loses_when_to_go_on(
    official: Any, sandbox: SandboxServer, leads: list[Row]
) -> None:
    done: list[int] = []
    with pytest.raises(Exception) as stopped:
        for lead in leads[:40]:
            official.put(ACTIONS, body({"leadIds": [lead["leadId"]]}), {"leadAction": "PAUSE_LEADS"})
            done.append(lead["leadId"])

    assert len(done) == 30
    assert type(stopped.value) is Exception
    assert str(stopped.value).startswith("HTTP status code: 429")
    assert "retry" not in str(stopped.value).lower()
    states = {lead["leadId"]: lead["leadState"] for lead in sandbox.leads()}
    assert {states[lead_id] for lead_id in done} == {"PAUSED"}
    assert states[leads[30]["leadId"]] == leads[30]["leadState"]
    assert Counter(request.status for request in sandbox.requests)[429] == 1

    # RingCX did say it.
    refused = requests.put(
        f"{sandbox.url}/voice{ACTIONS}",
        params={"leadAction": "PAUSE_LEADS"},
        json=body({"leadIds": [leads[30]["leadId"]]}),
        headers={"Authorization": f"Bearer {official.token['accessToken']}"},
        timeout=20,
    )
    assert refused.status_code == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 10


@pytest.mark.parametrize(
    ("path", "status"),
    [
        # As the guide's samples write them: it encodes the question mark, and the braces.
        (f"{ACTIONS}?leadAction=DELETE_LEADS", 404),
        (ACTIONS.replace("50810001", "{accountId}"), 403),
    ],
    ids=["query in the path", "placeholder"],
)
def test_what_it_encodes_is_refused_and_changes_nothing(
    official: Any, sandbox: SandboxServer, leads: list[Row], path: str, status: int
) -> None:
    before = sandbox.leads()
    params = None if "?" in path else {"leadAction": "DELETE_LEADS"}
    with pytest.raises(Exception, match=f"HTTP status code: {status}"):
        official.put(path, body({"leadIds": [leads[0]["leadId"]]}), params)
    assert sandbox.leads() == before


def test_it_cannot_upload_a_file(official: Any, leads: list[Row]) -> None:
    """It calls every body JSON, so a multipart one is not understood."""
    with pytest.raises(Exception, match="HTTP status code: 400"):
        official.post(f"{SEARCH}ByPhoneList", files={"file": leads[0]["leadPhone"].encode()})


@pytest.mark.assumption(54)
def test_it_takes_the_web_page_for_success_where_a_sample_doubles_voice(
    official: Any, sandbox: SandboxServer, leads: list[Row]
) -> None:
    """The guide's JavaScript sample of 2020 writes the /voice that this client puts before every path."""
    before = sandbox.leads()
    answer = official.put(
        f"/voice{ACTIONS}", body({"leadIds": [leads[0]["leadId"]]}), {"leadAction": "DELETE_LEADS"}
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert sandbox.leads() == before
