"""Direct loads: validation, duplicates, agents and the response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import Row, is_recent, lists_of
from tests.sandbox.support.loads import OPTIONS, counters, find_lead, lead, load, post_load

FAILED = "Your uploaded lead list file processing has failed"


def failure(result: Row) -> tuple[str, str]:
    return result["processingResult"], result["processingStatus"]


@pytest.mark.assumption(35, 39)
def test_load_returns_counters_and_creates_list(api: Any, spring: Row) -> None:
    before = {row["listId"] for row in lists_of(api, spring)}
    result = load(api, spring, [lead(1, firstName="Ada"), lead(2)])
    assert counters(result) == (2, 2, 2, 2, 0, 0)
    assert failure(result) == ("OK", "DEFAULT_NOT_A_FAILURE")
    assert result["message"] == "Your uploaded lead list has successfully completed processing"
    assert (result["listState"], result["timeZoneOption"]) == ("ACTIVE", "NOT_APPLICABLE")
    assert (result["hasDeletedLeads"], result["rejectedRows"]) == (False, [])
    (new,) = [row for row in lists_of(api, spring) if row["listId"] not in before]
    assert (new["listDesc"], new["listState"], new["uploadedBy"]) == (
        "Spring leads",
        "ACTIVE",
        "sandbox-user",
    )
    assert (new["leadsSupplied"], new["leadsAccepted"], new["result"]) == (2, 2, "OK")
    assert is_recent(new["uploadDate"])
    row = find_lead(api, "T-1")
    assert (row["listId"], row["listDesc"], row["campaignId"]) == (
        new["listId"], "Spring leads", spring["campaignId"],
    )  # fmt: skip
    assert (row["leadState"], row["leadPasses"], row["suppressed"]) == ("READY", 0, False)
    assert (row["firstName"], row["maxPasses"]) == ("Ada", spring["maxPasses"])
    assert is_recent(row["loadedDts"])
    assert is_recent(row["nextDialTime"])


@pytest.mark.assumption(35)
def test_load_same_name_creates_another_list(api: Any, spring: Row) -> None:
    before = len(lists_of(api, spring))
    for number in (1, 2):
        load(api, spring, [lead(number)])
    names = [row["listDesc"] for row in lists_of(api, spring)]
    assert len(names) == before + 2
    assert names.count("Spring leads") == 2


@pytest.mark.assumption(35)
def test_load_unnamed_setting_ignores_description(api_of: Callable[[SandboxServer], Any]) -> None:
    with SandboxServer(Settings(size=100, load_lists="unnamed")) as other:
        api, campaign = api_of(other), other.campaign("Spring Renewals")
        load(api, campaign, [lead(1)])
        newest = lists_of(api, campaign)[-1]
        assert newest["listDesc"].startswith("Loaded leads ")
        assert find_lead(api, "T-1")["listDesc"] == newest["listDesc"]


def test_load_without_description_generates_name(api: Any, spring: Row) -> None:
    load(api, spring, [lead(1)], description=None, listState="PAUSED")
    newest = lists_of(api, spring)[-1]
    assert newest["listDesc"]
    assert newest["listState"] == "PAUSED"


def test_load_stores_all_fields(api: Any, spring: Row) -> None:
    fields: Row = {
        **{
            name: f"my {name}" for name in ("title", "firstName", "midName", "lastName", "suffix", "address1")
        },
        **{name: f"my {name}" for name in ("address2", "city", "zip", "gateKeeper", "auxPhone", "callerId")},
        **{name: f"my {name}" for name in ("auxGreeting", "auxExternalUrl", "liveAnswerMessage")},
        "machAnswerMessage": "Please call back",
        "email": "ada@example.com",
        "state": "CA",
        "auxData2": "a",
        "auxData4": "b",
        "auxData5": None,
    }
    sent = lead(1, **fields, auxData1=30, auxData3="", maxPasses="4", dupeKeyOverride=77)
    load(api, spring, [sent])
    row = find_lead(api, "T-1")
    assert {name: row[name] for name in fields} == fields
    assert (row["auxData1"], row["auxData3"]) == ("30", None)
    assert (row["maxPasses"], row["dupeKeyOverride"]) == (4, 77)


def test_load_extended_data_is_in_row(api: Any, spring: Row) -> None:
    load(api, spring, [lead(1, extendedLeadData={"important": "data", "interested": True}), lead(2)])
    assert find_lead(api, "T-1")["extraData"] == '{"important": "data", "interested": true}'
    assert find_lead(api, "T-2")["extraData"] is None


@pytest.mark.assumption(8)
def test_load_ignores_unknown_properties(api: Any, spring: Row) -> None:
    sent = lead(1, middleName="Byron", countryId="USA", leadPasses=5, leadState="COMPLETE")
    result = load(api, spring, [sent], type="CUSTOM")
    assert counters(result) == (1, 1, 1, 1, 0, 0)
    row = find_lead(api, "T-1")
    assert (row["midName"], row["leadPasses"], row["leadState"]) == (None, 0, "READY")


@pytest.mark.assumption(36)
@pytest.mark.parametrize("missing", ["dialPriority", "duplicateHandling", "timeZoneOption"])
@pytest.mark.parametrize("value", [None, ""])
def test_load_missing_option_fails_with_200(api: Any, spring: Row, missing: str, value: object) -> None:
    before = lists_of(api, spring)
    result = load(api, spring, [lead(1), lead(2)], **{missing: value})
    assert failure(result) == ("Failed", "GENERAL_FAILURE")
    assert result["message"] == f"{FAILED}: missing.required.param: {missing}"
    assert counters(result) == (2, 0, 0, 0, 0, 0)
    assert api.count(externIds=["T-1", "T-2"]) == 0
    assert lists_of(api, spring) == before


@pytest.mark.assumption(36)
def test_load_loader_defaults_sets_missing_options(api_of: Callable[[SandboxServer], Any]) -> None:
    with SandboxServer(Settings(size=100, loader_defaults=True)) as lenient:
        api, campaign = api_of(lenient), lenient.campaign("Spring Renewals")
        body = {"uploadLeads": [lead(1, "3035550001"), lead(2, "3035550001")]}
        result = post_load(api, campaign, "direct", json=body).json()
        assert counters(result) == (2, 2, 2, 2, 0, 0)
        assert result["timeZoneOption"] == "NPA_NXX"
        assert find_lead(api, "T-1")["leadTimezone"] == "MST"


@pytest.mark.assumption(37)
@pytest.mark.parametrize("leads", [[], None])
def test_load_without_leads_fails_with_200(api: Any, spring: Row, leads: Any) -> None:
    before = lists_of(api, spring)
    result = load(api, spring, leads)
    assert failure(result) == ("Failed", "NO_LEADS_PASSED_VALIDATION")
    assert (counters(result), result["message"]) == ((0, 0, 0, 0, 0, 0), FAILED)
    assert lists_of(api, spring) == before


REJECTED: dict[str, tuple[Row, str]] = {
    "blank id": ({"externId": " "}, "externId is required"),
    "deep data": ({"extendedLeadData": []}, "extendedLeadData must be an object"),
    "letters": ({"leadPhone": "CALL ME"}, "leadPhone must be a phone number"),
    "no id": ({"externId": None}, "externId is required"),
    "no phone": ({"leadPhone": ""}, "leadPhone is required"),
    "object as name": ({"firstName": {}}, "firstName must be a text"),
    "one bad of two": ({"leadPhone": "4155550001|12"}, "leadPhone must be a phone number of ten digits"),
    "passes in words": ({"maxPasses": "many"}, "maxPasses must be a whole number"),
    "short": ({"leadPhone": "5550100"}, "leadPhone must be a phone number of ten digits"),
}


@pytest.mark.assumption(38)
@pytest.mark.parametrize("name", sorted(REJECTED))
def test_load_invalid_lead_is_rejected_others_loaded(api: Any, spring: Row, name: str) -> None:
    fields, message = REJECTED[name]
    result = load(api, spring, [lead(1), {"firstName": "Bea", **lead(2), **fields}, lead(3)])
    assert counters(result) == (3, 2, 2, 2, 0, 0)
    (rejected,) = result["rejectedRows"]
    assert rejected["message"] == message
    assert rejected["rowData"][0] == ("Bea" if "firstName" not in fields else "T-2")
    assert api.count(externIds=["T-1", "T-2", "T-3"]) == 2


@pytest.mark.assumption(37, 38)
def test_load_only_invalid_leads_fails(api: Any, spring: Row) -> None:
    invalid: list[Any] = ["nobody", 7, None, {"externId": "T-1"}]
    result = load(api, spring, invalid)
    assert failure(result) == ("Failed", "NO_LEADS_PASSED_VALIDATION")
    assert counters(result) == (4, 0, 0, 0, 0, 0)
    assert [row["rowData"] for row in result["rejectedRows"]] == [["nobody"], ["7"], [""], ["T-1"]]


@pytest.mark.assumption(40)
def test_load_accepts_duplicate_extern_ids(api: Any, spring: Row) -> None:
    result = load(
        api, spring, [lead(1), {**lead(2), "externId": "T-1"}], duplicateHandling="REMOVE_ALL_EXISTING"
    )
    assert counters(result) == (2, 2, 2, 2, 0, 0)
    assert api.count(externIds=["T-1"]) == 2


def test_load_retain_all_keeps_duplicates(api: Any, spring: Row) -> None:
    for _ in range(2):
        result = load(api, spring, [lead(1), {**lead(2), "leadPhone": lead(1)["leadPhone"]}])
        assert (counters(result), result["hasDeletedLeads"]) == ((2, 2, 2, 2, 0, 0), False)


@pytest.mark.assumption(39)
def test_load_remove_from_list_checks_batch_only(api: Any, spring: Row) -> None:
    same = {**lead(2), "leadPhone": "(415) 550-0001"}
    for _ in range(2):
        result = load(api, spring, [lead(1), same, lead(3)], duplicateHandling="REMOVE_FROM_LIST")
        assert (counters(result), result["hasDeletedLeads"]) == ((3, 3, 3, 2, 1, 0), True)
    assert [row["externId"] for row in api.search(leadPhoneNumbers=["4155500001"])] == ["T-1", "T-1"]


@pytest.mark.assumption(39)
def test_load_remove_all_existing_skips_existing(api: Any, spring: Row, summer: Row) -> None:
    option = {"duplicateHandling": "REMOVE_ALL_EXISTING"}
    assert counters(load(api, spring, [lead(1), lead(1)], **option)) == (2, 2, 2, 1, 1, 0)
    assert counters(load(api, spring, [lead(1), lead(2)], **option)) == (2, 2, 2, 1, 1, 0)
    # Other campaigns are not checked.
    assert counters(load(api, summer, [lead(1)], **option)) == (1, 1, 1, 1, 0, 0)


def test_load_remove_all_existing_ignores_other_loads(api: Any, spring: Row, leads: list[Row]) -> None:
    load(api, spring, [lead(1)], duplicateHandling="REMOVE_FROM_LIST")
    ready = next(row["leadPhone"] for row in leads if row["leadState"] == "READY")
    leads_again = [lead(1), lead(2, ready)]
    result = load(api, spring, leads_again, duplicateHandling="REMOVE_ALL_EXISTING")
    assert counters(result)[:5] == (2, 2, 2, 2, 0)
    # Now both leads were loaded with REMOVE_ALL_EXISTING.
    result = load(api, spring, leads_again, duplicateHandling="REMOVE_ALL_EXISTING")
    assert counters(result)[:5] == (2, 2, 2, 0, 2)
    assert failure(result) == ("OK", "DEFAULT_NOT_A_FAILURE")


def test_load_deleted_leads_are_not_duplicates(api: Any, spring: Row) -> None:
    load(api, spring, [lead(1)], duplicateHandling="REMOVE_ALL_EXISTING")
    api.act("DELETE_LEADS", {"externIds": ["T-1"]})
    result = load(api, spring, [lead(1)], duplicateHandling="REMOVE_ALL_EXISTING")
    assert counters(result) == (1, 1, 1, 1, 0, 0)


def test_load_lead_with_several_numbers(api: Any, spring: Row) -> None:
    load(api, spring, [lead(1, "4155500001|+1 (415) 550-0002")])
    assert find_lead(api, "T-1")["leadPhone"] == "4155500001|4155500002"
    for number in ("4155500001", "4155500002"):
        assert api.count(leadPhoneNumbers=[number]) == 1


def test_load_international_numbers(api: Any, spring: Row) -> None:
    sent = [lead(1, "+61 412 345 678")]
    assert load(api, spring, sent)["leadsAccepted"] == 0
    assert load(api, spring, sent, internationalNumberFormat=True)["leadsInserted"] == 1
    assert load(api, spring, sent, numberOriginCountry="e164")["leadsInserted"] == 1
    assert [row["leadPhone"] for row in api.search(leadPhoneNumbers=["+61412345678"])] == ["+61412345678"] * 2


def test_load_e164_number_with_or_without_lead_phone(api: Any, spring: Row) -> None:
    alone = {"externId": "T-1", "leadPhoneE164": "+4930123456"}
    beside = lead(2, leadPhoneE164="+4930123457")
    assert load(api, spring, [alone, beside])["leadsInserted"] == 2
    assert find_lead(api, "T-1")["leadPhone"] == "+4930123456"
    assert find_lead(api, "T-2")["leadPhone"] == lead(2)["leadPhone"]
    assert [row["externId"] for row in api.search(leadPhoneNumbers=["+4930123457"])] == ["T-2"]


def test_load_persona_numbers_are_searchable(api: Any, spring: Row) -> None:
    personas = {"Mobile Phone": "+14155500008", "Work Phone": ""}
    several = lead(2, "4155500001|4155500002", personaPhoneConfig=personas)
    result = load(api, spring, [lead(1, personaPhoneConfig=personas), several])
    assert result["leadsInserted"] == 1
    assert (
        result["rejectedRows"][0]["message"] == "leadPhone must be one number if personaPhoneConfig is given"
    )
    assert [row["externId"] for row in api.search(leadPhoneNumbers=["4155500008"])] == ["T-1"]


ZONES = {
    "COUNTRY": "EST",
    "EXPLICIT": "WA01",
    "NOT_APPLICABLE": None,
    "NPA_NXX": "MST",
    "ZIPCODE": "PST",
}


@pytest.mark.parametrize("option", sorted(ZONES))
def test_load_time_zone_follows_option(api: Any, spring: Row, option: str) -> None:
    sent = lead(1, "3035550001|6175550001", zip="98101", leadTimezone="WA01")
    result = load(api, spring, [sent], timeZoneOption=option)
    assert find_lead(api, "T-1")["leadTimezone"] == ZONES[option]
    # Source: contract; responses have no COUNTRY.
    assert result["timeZoneOption"] == (None if option == "COUNTRY" else option)


@pytest.mark.parametrize("option", ["NPA_NXX", "ZIPCODE"])
def test_load_unknown_location_gets_default_time_zone(api: Any, spring: Row, option: str) -> None:
    load(api, spring, [lead(1, "9995550001")], timeZoneOption=option)
    assert find_lead(api, "T-1")["leadTimezone"] == "EST"


def test_load_reserves_leads_for_agent(api: Any, spring: Row, agent: Row) -> None:
    agent_values = [str(agent["agentId"]), agent["agentId"], "", None, "980", "nobody", {}]
    result = load(
        api, spring, [lead(number, reserveAgent=value) for number, value in enumerate(agent_values)]
    )
    assert counters(result)[:4] == (7, 7, 7, 7)
    assert result["failedAgentAssignment"] == 3
    assert [
        row["externId"]
        for row in api.search(pendingAgentId=agent["agentId"], externIds=["T-0", "T-1", "T-4"])
    ] == [
        "T-0",
        "T-1",
    ]
    assert find_lead(api, "T-0")["pendingAgentName"] == f"{agent['firstName']} {agent['lastName']}"
    assert find_lead(api, "T-4")["pendingAgentName"] is None


def test_load_agent_of_other_account_fails_assignment(api: Any, spring: Row) -> None:
    api.account = "50810002"
    group = api.get("agentGroups").json()[0]["agentGroupId"]
    foreign = api.get(f"agentGroups/{group}/agents").json()[0]["agentId"]
    api.account = "50810001"
    assert load(api, spring, [lead(1, reserveAgent=str(foreign))])["failedAgentAssignment"] == 1


def test_load_immediate_leads_are_dialed_first(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    load(api, spring, [lead(1), lead(2)], dialPriority="IMMEDIATE")
    load(api, spring, [lead(3)], dialPriority="NORMAL")
    sandbox.fault("dialer", operation="accounts", leads=1)
    sandbox.fault("dialer", operation="lists", leads=2)
    api.session.get(f"{sandbox.url}/voice/api/v1/admin/accounts", timeout=20)
    assert [find_lead(api, f"T-{number}")["leadState"] for number in (1, 2, 3)] == [
        "READY",
        "PENDING",
        "READY",
    ]
    lists_of(api, spring)
    assert find_lead(api, "T-1")["leadState"] == "PENDING"
    # The other one is the oldest lead that may be called.
    assert find_lead(api, "T-3")["leadState"] == "READY"
    assert (
        len([row for row in sandbox.leads() if is_recent(row["stateDts"]) and row["leadState"] == "PENDING"])
        == 2
    )


def test_load_thousands_of_leads(api: Any, spring: Row) -> None:
    sent = [lead(number, auxData1="batch", reserveAgent="1") for number in range(5000)]
    result = load(api, spring, sent, duplicateHandling="REMOVE_ALL_EXISTING", timeZoneOption="NPA_NXX")
    assert counters(result) == (5000, 5000, 5000, 5000, 0, 0)
    assert api.count(auxData1="batch") == 5000
    rows = api.search(externIds=["T-0", "T-2500", "T-4999"])
    assert [row["leadPhone"] for row in rows] == [lead(number)["leadPhone"] for number in (0, 2500, 4999)]
    assert api.count(leadPhoneNumbers=[sent[4999]["leadPhone"]]) == 1
    result = load(api, spring, [*sent, lead(5000)], duplicateHandling="REMOVE_ALL_EXISTING")
    assert counters(result) == (5001, 5001, 5001, 1, 5000, 0)


BAD_OPTIONS: dict[str, tuple[str, object]] = {
    "leads no list": ("uploadLeads", {"externId": "T-1"}),
    "list state": ("listState", "OPEN"),
    "lower-case handling": ("duplicateHandling", "retain_all"),
    "priority": ("dialPriority", "SOON"),
    "tags no list": ("dncTags", "GLOBAL"),
    "zone": ("timeZoneOption", ["NPA_NXX"]),
}


@pytest.mark.assumption(8)
@pytest.mark.parametrize("name", sorted(BAD_OPTIONS))
def test_load_invalid_option_returns_400(api: Any, spring: Row, name: str) -> None:
    option, value = BAD_OPTIONS[name]
    response = post_load(api, spring, "direct", json={**OPTIONS, "uploadLeads": [lead(1)], option: value})
    assert response.status_code == 400
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [option]
    assert api.count(externIds=["T-1"]) == 0


@pytest.mark.assumption(48)
@pytest.mark.parametrize("campaign", ["1", "999999999999999999999", "spring"])
def test_load_unknown_campaign_returns_404(api: Any, campaign: str) -> None:
    assert post_load(api, {"campaignId": campaign}, "direct", json={}).status_code == 404


@pytest.mark.assumption(48)
def test_load_campaign_of_other_account_returns_404(sandbox: SandboxServer, api: Any) -> None:
    foreign = sandbox.campaign("Solar Consultations")
    assert post_load(api, foreign, "direct", json={**OPTIONS, "uploadLeads": [lead(1)]}).status_code == 404


@pytest.mark.assumption(51)
def test_load_dates_follow_clock(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    sandbox.advance(seconds=86_400)
    load(api, spring, [lead(1)])
    assert is_recent(find_lead(api, "T-1")["loadedDts"], minutes=24 * 60)


@pytest.mark.assumption(55)
@pytest.mark.parametrize(("when", "loaded"), [("after", 1), ("before", 0)])
def test_load_failed_fault_before_or_after(
    sandbox: SandboxServer, api: Any, spring: Row, when: str, loaded: int
) -> None:
    sandbox.fault("load_failed", operation="direct_load", when=when)
    result = load(api, spring, [lead(1)])
    assert failure(result) == ("Failed", "GENERAL_FAILURE")
    assert (result["message"], result["leadsSupplied"], result["leadsInserted"]) == (FAILED, 1, 0)
    assert api.count(externIds=["T-1"]) == loaded
    assert failure(load(api, spring, [lead(2)])) == ("OK", "DEFAULT_NOT_A_FAILURE")


def test_load_failed_fault_returns_status(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    sandbox.fault("load_failed", status="DNC_UPLOAD_FAILED")
    assert load(api, spring, [lead(1)])["processingStatus"] == "DNC_UPLOAD_FAILED"
    with pytest.raises(ValueError, match="status must be one of"):
        sandbox.fault("load_failed", status="DEFAULT_NOT_A_FAILURE")
