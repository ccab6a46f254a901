"""Updates of single leads by PUT and PATCH."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import Row, is_recent, move_params, reload_leads

PERSON = """title firstName midName lastName suffix address1 address2 city state zip email gateKeeper auxData1
    auxData2 auxData3 auxData4 auxData5 auxPhone auxGreeting auxExternalUrl liveAnswerMessage
    machAnswerMessage callerId""".split()  # noqa: SIM905


def send(api: Any, method: str, lead: Row, body: object, **query: object) -> requests.Response:
    query.setdefault("campaignId", lead["campaignId"])
    path = f"{api.root}/campaignLeads/{lead['leadId']}"
    response: requests.Response = api.session.request(method, path, json=body, params=query, timeout=20)
    return response


def update(api: Any, method: str, lead: Row, body: object, **query: object) -> Row:
    response = send(api, method, lead, body, **query)
    assert response.status_code == 200, response.text
    updated: Row = response.json()
    assert updated == api.lead(lead["leadId"])["campaignLead"]
    return updated


@pytest.fixture
def lead(leads: list[Row]) -> Row:
    return next(lead for lead in leads if lead["leadState"] == "READY" and lead["leadPasses"] == 1)


@pytest.mark.assumption(49)
def test_patch_changes_given_fields(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    others = [row for row in sandbox.leads() if row["leadId"] != lead["leadId"]]
    updated = update(api, "PATCH", lead, {"auxData3": "expired", "city": "Zürich", "maxPasses": "3"})
    expected = {"auxData3": "expired", "city": "Zürich", "maxPasses": 3}
    assert updated == {**lead["campaignLead"], **expected}
    assert [row for row in sandbox.leads() if row["leadId"] != lead["leadId"]] == others
    assert api.count(city="zürich") == 1


@pytest.mark.assumption(49)
def test_put_clears_missing_fields(sandbox: SandboxServer, api: Any, lead: Row, spring: Row) -> None:
    updated = update(api, "PUT", lead, {"firstName": "Nova", "leadPhone": lead["leadPhone"]})
    kept = ("leadId", "externId", "leadState", "leadPasses", "suppressed", "loadedDts", "stateDts")
    assert {name: updated[name] for name in kept} == {name: lead[name] for name in kept}
    assert {name: updated[name] for name in PERSON} == {**dict.fromkeys(PERSON), "firstName": "Nova"}
    assert (updated["leadPhone"], updated["leadTimezone"]) == (lead["leadPhone"], None)
    assert updated["nextDialTime"] is None
    row = api.lead(lead["leadId"])
    assert (row["campaignId"], row["listId"]) == (lead["campaignId"], lead["listId"])


def test_put_same_lead_changes_nothing(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    assert update(api, "PUT", lead, lead["campaignLead"]) == lead["campaignLead"]
    assert reload_leads(sandbox, [lead]) == [lead]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.assumption(50)
def test_update_ignores_dialer_fields(api: Any, lead: Row, method: str) -> None:
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
    assert update(api, method, lead, body) == lead["campaignLead"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.assumption(50)
@pytest.mark.ringcx_sandbox(patch_state=True)
def test_update_patch_state_setting_updates_state(api: Any, lead: Row, method: str) -> None:
    body = {**lead["campaignLead"], "leadState": "DO_NOT_CALL", "leadPasses": 7}
    updated = update(api, method, lead, body)
    assert (updated["leadState"], updated["leadPasses"]) == ("DO-NOT-CALL", 1)
    assert is_recent(updated["stateDts"])
    assert send(api, method, lead, {"leadState": "DONE"}).status_code == 400
    assert update(api, method, lead, {"leadState": None})["leadState"] == "DO-NOT-CALL"


@pytest.mark.assumption(12)
def test_update_reindexes_phone_numbers(api: Any, lead: Row) -> None:
    phones = ["+1 (212) 555-0100", "2125550101", "+493012345678", "+442079460000"]
    body: Row = {
        "leadPhone": phones[0],
        "leadPhoneE164": phones[2],
        "personaPhoneConfig": {"Home": phones[3]},
    }
    updated = update(api, "PATCH", lead, body)
    assert updated["leadPhone"] == "2125550100"
    assert (updated["leadPhoneE164"], updated["personaPhoneConfig"]) == (phones[2], {"Home": phones[3]})
    found = [api.count(leadPhoneNumbers=[phone], **{"leadIds": [lead["leadId"]]}) for phone in phones]
    assert found == [1, 0, 1, 1]
    assert api.count(leadPhoneNumbers=[lead["leadPhone"].split("|")[0]], leadIds=[lead["leadId"]]) == 0
    body = {"leadPhoneE164": None, "leadPhone": f"{phones[0]}|{phones[1]}", "personaPhoneConfig": {}}
    update(api, "PATCH", lead, body)
    found = [api.count(leadPhoneNumbers=[phone], **{"leadIds": [lead["leadId"]]}) for phone in phones]
    assert found == [1, 1, 0, 0]
    update(api, "PUT", lead, {})
    assert api.count(leadPhoneNumbers=phones) == 0


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_update_several_numbers_with_personas_returns_400(api: Any, lead: Row, method: str) -> None:
    several = {"leadPhone": "2125550100|2125550101"}
    personas = {"personaPhoneConfig": {"Home": "+442079460000"}}
    response = send(api, method, lead, {**several, **personas})
    assert response.status_code == 400
    assert response.json()["details"] == "leadPhone must be one number if personaPhoneConfig is given"
    # Fields that a PATCH does not change are checked as well.
    update(api, "PATCH", lead, {"leadPhone": "2125550100", **personas})
    assert send(api, "PATCH", lead, several).status_code == 400
    assert api.lead(lead["leadId"])["leadPhone"] == "2125550100"


def test_update_extended_data_is_in_extra_data(api: Any, lead: Row) -> None:
    updated = update(api, "PATCH", lead, {"extendedLeadData": {"plan": "Gold", "member": True}})
    assert updated["extendedLeadData"] == {"plan": "Gold", "member": "true"}
    assert api.lead(lead["leadId"])["extraData"] == '{"plan": "Gold", "member": true}'
    assert update(api, "PATCH", lead, {"extendedLeadData": None})["extendedLeadData"] is None


def test_update_parses_dates_and_numbers(api: Any, lead: Row) -> None:
    body = {"nextDialTime": "2027-01-02T05:04:05+02:00", "dupeKeyOverride": 2**40, "leadPriority": 4}
    updated = update(api, "PATCH", lead, body)
    assert updated["nextDialTime"] == "2027-01-02T03:04:05.000+0000"
    assert (updated["dupeKeyOverride"], updated["leadPriority"]) == (2**40, 4)
    assert api.lead(lead["leadId"])["dupeKeyOverride"] == 2**40


def test_update_never_clears_extern_id(api: Any, lead: Row) -> None:
    for value in (None, "", "  "):
        assert update(api, "PATCH", lead, {"externId": value})["externId"] == lead["externId"]
    assert update(api, "PATCH", lead, {"externId": 4711})["externId"] == "4711"


@pytest.mark.parametrize(
    ("option", "zone"),
    [("NPA_NXX", "MST"), ("ZIPCODE", "PST"), ("EXPLICIT", "NSW1"), ("NOT_APPLICABLE", "NSW1"), ("", "NSW1")],
)
def test_update_computes_time_zone(api: Any, lead: Row, option: str, zone: str) -> None:
    body = {"leadPhone": "3035550123", "zip": "98101", "leadTimezone": "NSW1"}
    assert update(api, "PATCH", lead, body, timezoneOption=option)["leadTimezone"] == zone


def test_update_explicit_keeps_time_zone(api: Any, lead: Row) -> None:
    updated = update(api, "PATCH", lead, {"leadPhone": "3035550123"}, timezoneOption="EXPLICIT")
    assert updated["leadTimezone"] == lead["leadTimezone"]


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
def test_update_duplicate_number_is_ignored(
    api: Any, leads: list[Row], lead: Row, handling: str, elsewhere: bool, dropped: bool
) -> None:
    taken = next(row for row in leads if row is not lead and (row["listId"] != lead["listId"]) is elsewhere)[
        "leadPhone"
    ]
    body = {"leadPhone": taken, "auxData3": "new"}
    updated = update(api, "PATCH", lead, body, duplicateHandling=handling)
    assert updated == (lead["campaignLead"] if dropped else {**lead["campaignLead"], **body})


def test_update_number_of_other_campaign_is_accepted(api: Any, sandbox: SandboxServer, lead: Row) -> None:
    taken = sandbox.leads("Summer Win-Back")[0]["leadPhone"]
    updated = update(api, "PATCH", lead, {"leadPhone": taken}, duplicateHandling="REMOVE_ALL_EXISTING")
    assert updated["leadPhone"] == taken


def test_update_same_number_is_not_a_duplicate(api: Any, lead: Row, spring: Row) -> None:
    api.act(
        "MOVE_TO_CAMPAIGN", {"leadIds": [lead["leadId"]]}, **move_params(spring, CREATE_COPY_SETTING="true")
    )
    body = {"leadPhone": lead["leadPhone"], "auxData3": "new"}
    assert update(api, "PATCH", lead, body, duplicateHandling="REMOVE_ALL_EXISTING")["auxData3"] == "new"


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.assumption(48, 49)
def test_update_unknown_lead_returns_404(
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
    assert reload_leads(sandbox, [lead]) == [lead]
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
def test_update_invalid_value_changes_nothing(
    sandbox: SandboxServer, api: Any, lead: Row, method: str, body: Row, query: Row, name: str
) -> None:
    response = send(api, method, lead, {"city": "Reno", **body}, **query)
    assert response.status_code == 400
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [name]
    assert reload_leads(sandbox, [lead]) == [lead]


@pytest.mark.parametrize("body", [[], "lead", 1, None])
def test_update_body_not_an_object_returns_400(api: Any, lead: Row, body: object) -> None:
    path = f"{api.root}/campaignLeads/{lead['leadId']}?campaignId={lead['campaignId']}"
    for method in ("PUT", "PATCH"):
        assert api.session.request(method, path, json=body, timeout=20).status_code == 400


def test_put_and_patch_share_one_rate_limit(sandbox: SandboxServer, api: Any, lead: Row) -> None:
    methods = ["PUT", "PATCH"] * 6 + ["PATCH"]
    statuses = [send(api, method, lead, lead["campaignLead"]).status_code for method in methods]
    assert statuses == [200] * 12 + [429]
    assert {request.operation for request in sandbox.requests} == {"lead_update"}
