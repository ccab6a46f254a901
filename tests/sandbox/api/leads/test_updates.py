"""PUT and PATCH of single leads."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import Row, after, is_now, move_to

PERSON = """title firstName midName lastName suffix address1 address2 city state zip email gateKeeper auxData1
    auxData2 auxData3 auxData4 auxData5 auxPhone auxGreeting auxExternalUrl liveAnswerMessage
    machAnswerMessage callerId""".split()  # noqa: SIM905


def send(api: Any, method: str, lead: Row, body: object, **query: object) -> requests.Response:
    query.setdefault("campaignId", lead["campaignId"])
    path = f"{api.root}/campaignLeads/{lead['leadId']}"
    response: requests.Response = api.session.request(method, path, json=body, params=query, timeout=20)
    return response


def changed(api: Any, method: str, lead: Row, body: object, **query: object) -> Row:
    response = send(api, method, lead, body, **query)
    assert response.status_code == 200, response.text
    answer: Row = response.json()
    assert answer == api.lead(lead["leadId"])["campaignLead"]
    return answer


@pytest.fixture
def lead(leads: list[Row]) -> Row:
    return next(lead for lead in leads if lead["leadState"] == "READY" and lead["leadPasses"] == 1)


@pytest.mark.choice(49)
def test_patch_changes_what_is_sent(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    others = [row for row in sandbox.leads() if row["leadId"] != lead["leadId"]]
    answer = changed(api, "PATCH", lead, {"auxData3": "expired", "city": "Zürich", "maxPasses": "3"})
    expected = {"auxData3": "expired", "city": "Zürich", "maxPasses": 3}
    assert answer == {**lead["campaignLead"], **expected}
    assert [row for row in sandbox.leads() if row["leadId"] != lead["leadId"]] == others
    assert api.count(city="zürich") == 1


@pytest.mark.choice(49)
def test_put_empties_what_is_not_sent(sandbox: SandboxServer, api: Any, lead: Row, spring: Row) -> None:
    answer = changed(api, "PUT", lead, {"firstName": "Nova", "leadPhone": lead["leadPhone"]})
    kept = ("leadId", "externId", "leadState", "leadPasses", "suppressed", "loadedDts", "stateDts")
    assert {name: answer[name] for name in kept} == {name: lead[name] for name in kept}
    assert {name: answer[name] for name in PERSON} == {**dict.fromkeys(PERSON), "firstName": "Nova"}
    assert (answer["leadPhone"], answer["leadTimezone"]) == (lead["leadPhone"], None)
    assert answer["nextDialTime"] is None
    row = api.lead(lead["leadId"])
    assert (row["campaignId"], row["listId"]) == (lead["campaignId"], lead["listId"])


def test_put_of_the_whole_lead_changes_nothing(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    assert changed(api, "PUT", lead, lead["campaignLead"]) == lead["campaignLead"]
    assert after(sandbox, [lead]) == [lead]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.choice(50)
def test_what_belongs_to_the_dialer_is_ignored(api: Any, lead: Row, method: str) -> None:
    body = {
        **lead["campaignLead"],
        "leadId": 1,
        "leadState": "COMPLETE",
        "leadPasses": 7,
        "suppressed": True,
        "lastPassDisposition": "BUSY",
        "loadedDts": "2020-01-01T00:00:00.000+0000",
        "campaignId": 1,
        "unknown": {"a": [1]},
    }
    assert changed(api, method, lead, body) == lead["campaignLead"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.choice(50)
@pytest.mark.ringcx_sandbox(patch_state=True)
def test_state_may_be_updated_where_the_sandbox_is_told_so(api: Any, lead: Row, method: str) -> None:
    body = {**lead["campaignLead"], "leadState": "DO_NOT_CALL", "leadPasses": 7}
    answer = changed(api, method, lead, body)
    assert (answer["leadState"], answer["leadPasses"]) == ("DO-NOT-CALL", 1)
    assert is_now(answer["stateDts"])
    assert send(api, method, lead, {"leadState": "DONE"}).status_code == 400
    assert changed(api, method, lead, {"leadState": None})["leadState"] == "DO-NOT-CALL"


@pytest.mark.choice(12)
def test_searches_follow_the_numbers(api: Any, lead: Row) -> None:
    phones = ["+1 (212) 555-0100", "2125550101", "+493012345678", "+442079460000"]
    body = {
        "leadPhone": phones[0],
        "leadPhoneE164": phones[2],
        "personaPhoneConfig": {"Home": phones[3]},
    }
    answer = changed(api, "PATCH", lead, body)
    assert answer["leadPhone"] == "2125550100"
    assert (answer["leadPhoneE164"], answer["personaPhoneConfig"]) == (phones[2], {"Home": phones[3]})
    found = [api.count(leadPhoneNumbers=[phone], **{"leadIds": [lead["leadId"]]}) for phone in phones]
    assert found == [1, 0, 1, 1]
    assert api.count(leadPhoneNumbers=[lead["leadPhone"].split("|")[0]], leadIds=[lead["leadId"]]) == 0
    body = {"leadPhoneE164": None, "leadPhone": f"{phones[0]}|{phones[1]}", "personaPhoneConfig": {}}
    changed(api, "PATCH", lead, body)
    found = [api.count(leadPhoneNumbers=[phone], **{"leadIds": [lead["leadId"]]}) for phone in phones]
    assert found == [1, 1, 0, 0]
    changed(api, "PUT", lead, {})
    assert api.count(leadPhoneNumbers=phones) == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_several_numbers_beside_those_of_personas(api: Any, lead: Row, method: str) -> None:
    several = {"leadPhone": "2125550100|2125550101"}
    personas = {"personaPhoneConfig": {"Home": "+442079460000"}}
    response = send(api, method, lead, {**several, **personas})
    assert response.status_code == 400
    assert response.json()["details"] == "leadPhone must be one number if personaPhoneConfig is given"
    # What a PATCH leaves alone counts, too.
    changed(api, "PATCH", lead, {"leadPhone": "2125550100", **personas})
    assert send(api, "PATCH", lead, several).status_code == 400
    assert api.lead(lead["leadId"])["leadPhone"] == "2125550100"


def test_extended_data_shows_in_rows(api: Any, lead: Row) -> None:
    answer = changed(api, "PATCH", lead, {"extendedLeadData": {"plan": "Gold", "member": True}})
    assert answer["extendedLeadData"] == {"plan": "Gold", "member": "true"}
    assert api.lead(lead["leadId"])["extraData"] == '{"plan": "Gold", "member": true}'
    assert changed(api, "PATCH", lead, {"extendedLeadData": None})["extendedLeadData"] is None


def test_dates_and_numbers(api: Any, lead: Row) -> None:
    body = {"nextDialTime": "2027-01-02T05:04:05+02:00", "dupeKeyOverride": 2**40, "leadPriority": 4}
    answer = changed(api, "PATCH", lead, body)
    assert answer["nextDialTime"] == "2027-01-02T03:04:05.000+0000"
    assert (answer["dupeKeyOverride"], answer["leadPriority"]) == (2**40, 4)
    assert api.lead(lead["leadId"])["dupeKeyOverride"] == 2**40


def test_ids_are_never_emptied(api: Any, lead: Row) -> None:
    for value in (None, "", "  "):
        assert changed(api, "PATCH", lead, {"externId": value})["externId"] == lead["externId"]
    assert changed(api, "PATCH", lead, {"externId": 4711})["externId"] == "4711"


@pytest.mark.parametrize(
    ("option", "zone"),
    [("NPA_NXX", "MST"), ("ZIPCODE", "PST"), ("EXPLICIT", "NSW1"), ("NOT_APPLICABLE", "NSW1"), ("", "NSW1")],
)
def test_time_zone(api: Any, lead: Row, option: str, zone: str) -> None:
    body = {"leadPhone": "3035550123", "zip": "98101", "leadTimezone": "NSW1"}
    assert changed(api, "PATCH", lead, body, timezoneOption=option)["leadTimezone"] == zone


def test_time_zone_is_left_alone_unless_asked_for(api: Any, lead: Row) -> None:
    answer = changed(api, "PATCH", lead, {"leadPhone": "3035550123"}, timezoneOption="EXPLICIT")
    assert answer["leadTimezone"] == lead["leadTimezone"]


@pytest.mark.parametrize(
    ("handling", "elsewhere", "dropped"),
    [
        ("RETAIN_ALL", False, False),
        ("", False, False),
        ("REMOVE_FROM_LIST", False, True),
        ("REMOVE_FROM_LIST", True, False),
        ("REMOVE_ALL_EXISTING", True, True),
    ],
)
def test_a_number_that_another_lead_has(
    api: Any, leads: list[Row], lead: Row, handling: str, elsewhere: bool, dropped: bool
) -> None:
    taken = next(row for row in leads if row is not lead and (row["listId"] != lead["listId"]) is elsewhere)[
        "leadPhone"
    ]
    body = {"leadPhone": taken, "auxData3": "new"}
    answer = changed(api, "PATCH", lead, body, duplicateHandling=handling)
    assert answer == (lead["campaignLead"] if dropped else {**lead["campaignLead"], **body})


def test_a_number_of_another_campaign_is_free(api: Any, sandbox: SandboxServer, lead: Row) -> None:
    taken = sandbox.leads("Summer Win-Back")[0]["leadPhone"]
    answer = changed(api, "PATCH", lead, {"leadPhone": taken}, duplicateHandling="REMOVE_ALL_EXISTING")
    assert answer["leadPhone"] == taken


def test_keeping_the_number_makes_no_duplicate(api: Any, lead: Row, spring: Row) -> None:
    api.act("MOVE_TO_CAMPAIGN", {"leadIds": [lead["leadId"]]}, **move_to(spring, CREATE_COPY_SETTING="true"))
    body = {"leadPhone": lead["leadPhone"], "auxData3": "new"}
    assert changed(api, "PATCH", lead, body, duplicateHandling="REMOVE_ALL_EXISTING")["auxData3"] == "new"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.choice(48, 49)
def test_leads_that_are_not_there(
    sandbox: SandboxServer, api: Any, lead: Row, summer: Row, method: str
) -> None:
    other_list = next(row["listId"] for row in sandbox.leads() if row["listId"] != lead["listId"])
    body = {"firstName": "Nova"}
    for place in ({"leadId": 1}, {"leadId": "x"}, {"leadId": 10**30}):
        response = send(api, method, {**lead, **place}, body)
        assert response.status_code == 404, place
        assert response.json()["generalMessage"] == "The resource you have requested does not exist"
    assert send(api, method, lead, body, campaignId=summer["campaignId"]).status_code == 404
    assert send(api, method, lead, body, listId=other_list).status_code == 404
    api.account = "50810002"
    assert send(api, method, lead, body).status_code == 404
    assert after(sandbox, [lead]) == [lead]
    api.account = "50810001"
    assert send(api, method, lead, body, listId=lead["listId"]).status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize(
    ("body", "query", "name"),
    [
        ({}, {"campaignId": ""}, "campaignId"),
        ({}, {"campaignId": "x"}, "campaignId"),
        ({}, {"campaignId": 10**30}, "campaignId"),
        ({}, {"listId": "x"}, "listId"),
        ({}, {"timezoneOption": "COUNTRY_SIDE"}, "timezoneOption"),
        ({}, {"timezoneOption": "COUNTRY"}, "timezoneOption"),
        ({}, {"duplicateHandling": "retain_all"}, "duplicateHandling"),
        ({"firstName": ["Ada"]}, {}, "firstName"),
        ({"firstName": {"a": 1}}, {}, "firstName"),
        ({"leadPhone": "call me"}, {}, "leadPhone"),
        ({"leadPhone": "12"}, {}, "leadPhone"),
        ({"leadPhone": ["6175550000"]}, {}, "leadPhone"),
        ({"leadPhoneE164": "+1"}, {}, "leadPhoneE164"),
        ({"personaPhoneConfig": ["6175550000"]}, {}, "personaPhoneConfig"),
        ({"extendedLeadData": "plan"}, {}, "extendedLeadData"),
        ({"maxPasses": 2**31}, {}, "maxPasses"),
        ({"maxPasses": "many"}, {}, "maxPasses"),
        ({"dupeKeyOverride": 2**63}, {}, "dupeKeyOverride"),
        ({"nextDialTime": "soon"}, {}, "nextDialTime"),
        ({"nextDialTime": 1750000000000}, {}, "nextDialTime"),
    ],
    ids=lambda part: str(part)[:50],
)
def test_bad_updates_change_nothing(
    sandbox: SandboxServer, api: Any, lead: Row, method: str, body: Row, query: Row, name: str
) -> None:
    response = send(api, method, lead, {"city": "Reno", **body}, **query)
    assert response.status_code == 400
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [name]
    assert after(sandbox, [lead]) == [lead]


@pytest.mark.parametrize("body", [[], "lead", 1, None])
def test_a_body_that_is_no_lead(api: Any, lead: Row, body: object) -> None:
    path = f"{api.root}/campaignLeads/{lead['leadId']}?campaignId={lead['campaignId']}"
    for method in ("PUT", "PATCH"):
        assert api.session.request(method, path, json=body, timeout=20).status_code == 400


def test_both_methods_share_one_limit(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    methods = ["PUT", "PATCH"] * 6 + ["PATCH"]
    statuses = [send(api, method, lead, lead["campaignLead"]).status_code for method in methods]
    assert statuses == [200] * 12 + [429]
    assert {request.operation for request in sandbox.requests} == {"lead_update"}
