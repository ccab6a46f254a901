"""Search and count of leads: criteria, paging and invalid input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings

ACCOUNT = "50810001"
NOON = "2026-05-20T12:00:00.000+0000"


@pytest.fixture
def account_leads(sandbox: SandboxServer) -> list[dict[str, Any]]:
    """Return all leads of the first account, read without the API's search."""
    groups = {sandbox.campaign(name)["campaignId"] for name in ("Solar Consultations", "Heat Pump Interest")}
    names = ("Window Quotes", "Roof Checks", "Maintenance Plans", "Warranty Notices", "Holiday Offer")
    groups |= {sandbox.campaign(name)["campaignId"] for name in names}
    survey = {lead["campaignId"] for lead in sandbox.leads("Customer Survey")}
    groups |= survey - {sandbox.campaign("Customer Survey")["campaignId"]}
    return [lead for lead in sandbox.leads() if lead["campaignId"] not in groups]


def ids(rows: list[dict[str, Any]]) -> list[int]:
    return [row["leadId"] for row in rows]


def matching_ids(rows: list[dict[str, Any]], test: Callable[[dict[str, Any]], Any]) -> list[int]:
    """Return the ids of the rows that pass a test; at least one must pass and one must fail."""
    found = ids([row for row in rows if test(row)])
    assert 0 < len(found) < len(rows)
    return found


CRITERIA: list[tuple[dict[str, Any], Callable[[dict[str, Any]], Any]]] = [
    ({"leadStates": ["READY"]}, lambda row: row["leadState"] == "READY"),
    (
        {"leadStates": ["DO-NOT-CALL", "CANCELLED"]},
        lambda row: row["leadState"] in ("DO-NOT-CALL", "CANCELLED"),
    ),
    ({"leadStates": ["DO_NOT_CALL"]}, lambda row: row["leadState"] == "DO-NOT-CALL"),
    (
        {"systemDispositions": ["BUSY", "MACHINE"]},
        lambda row: row["lastPassDispo"] in ("BUSY", "MACHINE"),
    ),
    ({"agentDispositions": ["Not Interested"]}, lambda row: row["agentDispostion"] == "Not Interested"),
    ({"physicalStates": ["TX", "wa"]}, lambda row: row["state"] in ("TX", "WA")),
    ({"leadTimezones": [{"name": "CST", "description": None}]}, lambda row: row["leadTimezone"] == "CST"),
    ({"leadPhoneNum": "555-12"}, lambda row: any("55512" in part for part in row["leadPhone"].split("|"))),
    ({"firstName": "aDa"}, lambda row: row["firstName"] == "Ada"),
    ({"lastName": "Holm"}, lambda row: row["lastName"] == "Holm"),
    ({"city": "santa fe"}, lambda row: row["city"] == "Santa Fe"),
    ({"auxData1": "Premium"}, lambda row: row["auxData1"] == "Premium"),
    (
        {"auxData3": "partner", "physicalStates": ["TX"]},
        lambda r: (r["auxData3"], r["state"]) == ("partner", "TX"),
    ),
    ({"suppressed": "ONLY_SUPPRESSED"}, lambda row: row["suppressed"]),
    ({"suppressed": "ONLY_UNSUPPRESSED"}, lambda row: not row["suppressed"]),
    ({"loadedDtsStart": NOON}, lambda row: row["loadedDts"] >= NOON),
    ({"loadedDtsEnd": NOON}, lambda row: row["loadedDts"] <= NOON),
    ({"loadedDtsEnd": "2026-05-20T14:00:00+02:00"}, lambda row: row["loadedDts"] <= NOON),
    ({"loadedDtsEnd": "2026-05-20T12:00:00Z"}, lambda row: row["loadedDts"] <= NOON),
    (
        {"nextDialTimeCriteria": {"operator": "GREATER_THAN", "value": NOON}},
        lambda row: row["nextDialTime"] > NOON,
    ),
    (
        {"lastPassTimeCriteria": {"operator": "LESS_THAN", "value": NOON}},
        lambda row: row["lastPassDts"] and row["lastPassDts"] < NOON,
    ),
    ({"leadPassesCriteria": {"operator": "EQUALS", "value": 3}}, lambda row: row["leadPasses"] == 3),
    ({"leadPassesCriteria": {"operator": "GREATER_THAN", "value": "5"}}, lambda row: row["leadPasses"] > 5),
    ({"leadPassesCriteria": {"operator": "LESS_THAN", "value": 1.5}}, lambda row: row["leadPasses"] < 1.5),
]


@pytest.mark.parametrize(("criteria", "test"), CRITERIA, ids=[str(criteria) for criteria, _ in CRITERIA])
@pytest.mark.assumption(11, 13)
def test_criterion_selects_matching_leads(
    api: Any,
    account_leads: list[dict[str, Any]],
    criteria: dict[str, Any],
    test: Callable[[dict[str, Any]], Any],
) -> None:
    expected = matching_ids(account_leads, test)
    assert api.count(**criteria) == len(expected)
    assert ids(api.search(criteria)) == expected[:400]


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("address1", "address1"),
        ("zip", "zip"),
        ("emailAddress", "email"),
        ("auxData2", "auxData2"),
        ("externIds", "externId"),
        ("leadPhoneNumbers", "leadPhone"),
        ("leadIds", "leadId"),
        ("listIds", "listId"),
        ("campaignIds", "campaignId"),
    ],
)
def test_text_criterion_selects_leads_with_value(
    api: Any, account_leads: list[dict[str, Any]], field: str, column: str
) -> None:
    value = account_leads[30][column]
    expected = matching_ids(account_leads, lambda row: row[column] == value)
    criteria = {field: [value] if field.endswith(("Ids", "Numbers")) else value}
    assert ids(api.search(criteria)) == expected


@pytest.mark.parametrize("field", ["callerId", "address2", "auxData4", "auxData5"])
def test_criterion_on_empty_field_matches_nothing(api: Any, field: str) -> None:
    assert api.count(**{field: "6175550000"}) == 0


@pytest.mark.assumption(14)
def test_agent_criteria_select_by_agent(api: Any, account_leads: list[dict[str, Any]]) -> None:
    group = api.get("agentGroups").json()[0]["agentGroupId"]
    agent = api.get(f"agentGroups/{group}/agents").json()[1]
    name = f"{agent['firstName']} {agent['lastName']}"
    last = matching_ids(account_leads, lambda row: row["lastPassAgentName"] == name)
    assert ids(api.search(agentId=agent["agentId"])) == last
    pending = matching_ids(account_leads, lambda row: row["pendingAgentName"] == name)
    assert ids(api.search(pendingAgentId=str(agent["agentId"]))) == pending


def test_orphaned_leads_belong_to_inactive_agents(api: Any, account_leads: list[dict[str, Any]]) -> None:
    agents = [
        agent
        for group in api.get("agentGroups").json()
        for agent in api.get(f"agentGroups/{group['agentGroupId']}/agents").json()
    ]
    gone = {f"{agent['firstName']} {agent['lastName']}" for agent in agents if not agent["active"]}
    orphaned = matching_ids(account_leads, lambda row: row["pendingAgentName"] in gone)
    assert ids(api.search(orphanedLeadsOnly=True)) == orphaned
    assert api.count(orphanedLeadsOnly=False) == len(account_leads)


@pytest.mark.parametrize(
    "spelling", ["{}", "1{}", "+1{}", "+1 ({0[0]}{0[1]}{0[2]}) 555-{0[6]}{0[7]}{0[8]}{0[9]}"]
)
@pytest.mark.assumption(12)
def test_phone_criterion_accepts_any_format(api: Any, sandbox: SandboxServer, spelling: str) -> None:
    lead = next(lead for lead in sandbox.leads("Spring Renewals") if "|" not in lead["leadPhone"])
    assert lead["leadId"] in ids(api.search(leadPhoneNumbers=[spelling.format(lead["leadPhone"])]))


@pytest.mark.assumption(12)
def test_phone_criterion_finds_second_number(api: Any, account_leads: list[dict[str, Any]]) -> None:
    lead = next(lead for lead in account_leads if "|" in lead["leadPhone"])
    assert lead["leadId"] in ids(api.search(leadPhoneNumbers=[lead["leadPhone"].split("|")[1]]))


def test_criteria_combine_by_and_values_by_or(api: Any, sandbox: SandboxServer) -> None:
    leads = sandbox.leads("Spring Renewals")
    expected = matching_ids(
        leads, lambda row: row["leadState"] in ("READY", "COMPLETE") and row["auxData1"] == "Plus"
    )
    criteria = {
        "campaignIds": [leads[0]["campaignId"]],
        "leadStates": ["READY", "COMPLETE"],
        "auxData1": "Plus",
    }
    assert ids(api.search(criteria)) == expected


@pytest.mark.assumption(9)
def test_id_criterion_accepts_text(api: Any, spring: dict[str, Any]) -> None:
    number = api.count(campaignIds=[spring["campaignId"]])
    assert api.count(campaignIds=[str(spring["campaignId"])]) == number > 0


def test_extern_id_criterion_accepts_numbers(api: Any) -> None:
    assert api.count(externIds=[12345]) == 0


def test_extern_id_criterion_may_match_two_leads(api: Any, account_leads: list[dict[str, Any]]) -> None:
    by_id: dict[str, list[int]] = {}
    for lead in account_leads:
        by_id.setdefault(lead["externId"], []).append(lead["leadId"])
    extern_id, lead_ids = next((key, value) for key, value in by_id.items() if len(value) == 2)
    assert ids(api.search(externIds=[extern_id])) == lead_ids


@pytest.mark.parametrize(
    "criteria",
    [
        {},
        {"leadIds": []},
        {"leadIds": None, "firstName": None, "suppressed": "ALL"},
        {"firstName": ""},
        {"campaignId": 1},
        {"leadIDs": [1], "unknown": {"a": 1}},
        {"page": 3, "maxRows": 1},
    ],
    ids=str,
)
@pytest.mark.assumption(1, 2, 8, 10)
def test_empty_criterion_matches_whole_account(
    api: Any, account_leads: list[dict[str, Any]], criteria: dict[str, Any]
) -> None:
    assert api.count(**criteria) == len(account_leads)


@pytest.mark.assumption(2)
def test_campaign_id_filters_only_with_setting(
    api_of: Callable[[SandboxServer], Any],
) -> None:
    with SandboxServer(Settings(size=300, honour_campaign_id=True)) as sandbox:
        campaign_id = sandbox.campaign("Spring Renewals")["campaignId"]
        expected = ids(sandbox.leads("Spring Renewals"))
        api = api_of(sandbox)
        assert ids(api.search(campaignId=campaign_id)) == expected
        assert ids(api.search(campaignId=campaign_id, campaignIds=[campaign_id])) == expected


def test_search_ignores_other_accounts(api: Any, sandbox: SandboxServer) -> None:
    solar = sandbox.campaign("Solar Consultations")["campaignId"]
    assert api.count(campaignIds=[solar]) == 0
    api.account = "50810002"
    assert api.count(campaignIds=[solar]) == len(sandbox.leads(solar)) > 0


def test_search_row_has_all_fields(api: Any, spring: dict[str, Any]) -> None:
    (row,) = api.post_search({"campaignIds": [spring["campaignId"]]}, maxRows=1).json()
    names = """leadId externId campaignId campaignName dialGroupId listId listDesc title firstName midName
        lastName suffix address1 address2 city state zip email gateKeeper auxData1 auxData2 auxData3 auxData4
        auxData5 auxPhone auxGreeting auxExternalUrl liveAnswerMessage machAnswerMessage extraData callerId
        leadPhone leadState leadTimezone leadPasses maxPasses nextDialTime suppressed pendingAgentName
        dupeKeyOverride sortCol speedToLeadFirstPass speedToLeadAgentConn lastPassDts lastPassDate
        lastPassDisposition lastPassDispo agentDispostion lastPassAgentName loadedDts stateDts uploadDate
        uploadedBy campaignLead""".split()  # noqa: SIM905
    assert set(row) == set(names)
    assert (row["campaignName"], row["dialGroupId"]) == ("Spring Renewals", spring["dialGroupId"])
    assert row["campaignLead"]["leadId"] == row["leadId"]
    assert isinstance(row["suppressed"], bool)


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.assumption(3, 5, 6)
def test_search_supports_paging(api_of: Callable[[SandboxServer], Any], base: int) -> None:
    with SandboxServer(Settings(size=300, page_base=base)) as sandbox:
        api = api_of(sandbox)
        expected = ids(api.search({}))
        assert expected == sorted(expected)
        pages = [ids(api.post_search({}, page=base + n, maxRows=80).json()) for n in range(4)]
        assert [len(page) for page in pages] == [80, 80, len(expected) - 160, 0]
        assert pages[0] + pages[1] + pages[2] == expected
        assert ids(api.post_search({}, maxRows=80).json()) == pages[0]
        assert api.post_search({}, page=base - 1, maxRows=80).status_code == 400


@pytest.mark.assumption(4)
def test_search_row_cap_limits_page(api: Any, account_leads: list[dict[str, Any]]) -> None:
    assert len(account_leads) > 800
    for query in ({}, {"maxRows": 5000}):
        first = ids(api.post_search({}, page=0, **query).json())
        second = ids(api.post_search({}, page=1, **query).json())
        assert first + second == ids(account_leads)[:800]


@pytest.mark.assumption(7)
def test_count_ignores_page_parameters(api: Any, account_leads: list[dict[str, Any]]) -> None:
    response = api.post_search({}, count="true", page=7, maxRows=1)
    assert response.headers["content-type"].startswith("application/json")
    assert response.json() == len(account_leads)
    assert isinstance(api.post_search({}, count="false").json(), list)


@pytest.mark.parametrize(
    "query",
    [
        {"page": -1},
        {"page": "x"},
        {"maxRows": 0},
        {"maxRows": 10**30},
        {"page": 2**31},
        {"count": "maybe"},
    ],
    ids=str,
)
def test_search_invalid_query_returns_400(api: Any, query: dict[str, Any]) -> None:
    response = api.post_search({}, **query)
    assert response.status_code == 400
    assert response.json()["validationErrors"][0]["attributeName"] == next(iter(query))


@pytest.mark.parametrize(
    "criteria",
    [
        {"leadIds": 5},
        {"leadIds": ["x"]},
        {"leadIds": [True]},
        {"leadIds": [1.5]},
        {"leadIds": [10**19]},
        {"leadIds": [-(10**30)]},
        {"leadIds": {"a": 1}},
        {"leadIds": [[[1]]]},
        {"externIds": "CRM-1"},
        {"externIds": [None]},
        {"leadPhoneNumbers": [True]},
        {"leadPhoneNum": "abc"},
        {"leadStates": ["REDY"]},
        {"leadStates": ["ready"]},
        {"leadStates": "READY"},
        {"leadStates": [None]},
        {"systemDispositions": ["NO_ANSWER"]},
        {"leadTimezones": ["CST"]},
        {"leadTimezones": [{}]},
        {"firstName": ["Ada"]},
        {"firstName": False},
        {"agentId": "x"},
        {"pendingAgentId": 10**40},
        {"orphanedLeadsOnly": "perhaps"},
        {"suppressed": True},
        {"suppressed": "SOME"},
        {"loadedDtsStart": "yesterday"},
        {"loadedDtsStart": "2026-02-30T00:00:00Z"},
        {"loadedDtsEnd": 1750000000000},
        {"nextDialTimeCriteria": {}},
        {"nextDialTimeCriteria": {"operator": "LESS_THAN"}},
        {"lastPassTimeCriteria": {"operator": "BEFORE", "value": NOON}},
        {"leadPassesCriteria": 3},
        {"leadPassesCriteria": {"operator": "EQUALS", "value": "many"}},
    ],
    ids=str,
)
@pytest.mark.assumption(8, 9)
def test_search_invalid_criteria_returns_400(api: Any, criteria: dict[str, Any]) -> None:
    response = api.post_search(criteria)
    assert response.status_code == 400
    body = response.json()
    assert body["generalMessage"] == "The supplied data is not valid"
    assert [error["attributeName"] for error in body["validationErrors"]] == list(criteria)


@pytest.mark.assumption(8)
def test_search_error_names_every_invalid_value(api: Any) -> None:
    body = api.post_search({"leadStates": ["REDY"], "leadIds": 5, "city": "Reno"}).json()
    errors = {error["attributeName"]: error for error in body["validationErrors"]}
    assert set(errors) == {"leadStates", "leadIds"}
    assert errors["leadStates"]["value"] == "REDY"
    assert "READY" in errors["leadStates"]["message"]
