"""Do-not-call entries and tags, and their effect on loads, the dialer and manual passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import MANUAL, Row, in_state, is_recent, lists_of
from tests.sandbox.support.loads import counters, find_lead, lead, load

#: Request bodies of the guides of 2026 (with the tag that every account has) and of 2020.
NEW = {"phone": "4155550100", "countryId": "USA", "dncTagId": 0, "externId": "lead-1001"}
OLD = {
    "dncTag": {"dncTagId": 0, "dncTagLabel": "GLOBAL"},
    "countryCode": {"id": "USA"},
    "phone": "5105550100",
    "reason": "Did not want to be called",
    "tag": "GLOBAL",
    "dncTagId": 0,
}


def post(api: Any, path: str, body: object) -> requests.Response:
    response: requests.Response = api.session.post(f"{api.root}/{path}", json=body, timeout=20)
    return response


def add(api: Any, **body: object) -> Row:
    response = post(api, "dncLists", body)
    assert response.status_code == 201, response.text
    entry: Row = response.json()
    return entry


def add_tag(api: Any, label: str) -> int:
    response = post(api, "dncTags", {"dncTagLabel": label})
    assert response.status_code == 201, response.text
    tag: int = response.json()["dncTagId"]
    return tag


def delete(api: Any, path: str) -> requests.Response:
    response: requests.Response = api.session.delete(f"{api.root}/{path}", timeout=20)
    return response


def found(api: Any, **body: object) -> list[tuple[str | None, str | None]]:
    """Return phone and external id of the entries that a search finds."""
    response = post(api, "dncLists/advancedSearch", body)
    assert response.status_code == 200, response.text
    return [(entry["phone"], entry["externId"]) for entry in response.json()]


def set_scrubbing(api: Any, campaign: Row, option: str) -> None:
    path = f"{api.root}/dialGroups/{campaign['dialGroupId']}/campaigns/{campaign['campaignId']}"
    whole = api.session.get(path, timeout=20).json()
    response = api.session.put(path, json={**whole, "dncScrubOption": option}, timeout=20)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("account", ["50810001", "50810002"])
def test_generated_dnc_leads_have_entries(api: Any, account: str) -> None:
    api.account = account
    phones = {
        phone for row in api.search(leadStates=["DO-NOT-CALL"]) for phone in row["leadPhone"].split("|")
    }
    entries = api.get("dncLists").json()
    assert phones
    assert {entry["phone"] for entry in entries} == phones
    assert {(entry["dncTagId"], entry["tag"]) for entry in entries} == {(0, "GLOBAL")}
    assert api.get("dncTags").json() == [{"accountId": account, "dncTagId": 0, "dncTagLabel": "GLOBAL"}]


def test_add_entry_accepts_layout_of_both_guides(api: Any) -> None:
    new, old = add(api, **NEW), add(api, **OLD)
    assert {name: value for name, value in new.items() if name != "addedDate"} == {
        "phone": "4155550100",
        "tag": "GLOBAL",
        "countryCode": {"id": "USA", "description": None},
        "addedBy": "sandbox-user",
        "reason": None,
        "dncTagId": 0,
        "externId": "lead-1001",
    }
    assert (old["phone"], old["reason"], old["tag"]) == ("5105550100", "Did not want to be called", "GLOBAL")
    assert is_recent(old["addedDate"])
    assert api.get("dncLists").json()[-2:] == [new, old]


def test_add_existing_entry_keeps_it_unchanged(api: Any) -> None:
    first = add(api, phone="4155550100", reason="asked")
    assert add(api, phone="+1 (415) 555-0100", reason="asked again") == first
    assert found(api, phone="4155550100") == [("4155550100", None)]


def test_entries_support_paging(api: Any) -> None:
    entries = api.get("dncLists").json()
    assert len(entries) > 4
    assert api.get("dncLists", page=1, maxRows=2).json() == entries[2:4]


BAD_ENTRIES: dict[str, tuple[Row, str]] = {
    "list as phone": ({"phone": ["4155550100"]}, "phone"),
    "nobody": ({"reason": "why not"}, "phone"),
    "object as tag": ({"phone": "4155550100", "dncTagId": {}}, "tag"),
    "short": ({"phone": "5550100"}, "phone"),
    "two phones": ({"phone": "4155550100|4155550101"}, "phone"),
    "unknown label": ({"phone": "4155550100", "tag": "MINE"}, "dncTagId"),
    "unknown tag": ({"phone": "4155550100", "dncTagId": 12345}, "dncTagId"),
}


@pytest.mark.parametrize("name", sorted(BAD_ENTRIES))
def test_add_invalid_entry_returns_400(api: Any, name: str) -> None:
    body, field = BAD_ENTRIES[name]
    response = post(api, "dncLists", body)
    assert response.status_code == 400
    assert [error["attributeName"] for error in response.json()["validationErrors"]] == [field]
    assert found(api, phone="4155550100") == []


def test_search_filters_by_each_field(api: Any) -> None:
    tag = add_tag(api, "Web form")
    add(api, phone="4155550100", externId="A")
    add(api, phone="4155550100", dncTagId=tag, reason="form")
    add(api, phone="+61412345678", countryId="aus", dncTagId="Web form")
    assert found(api, phone="(415) 555-0100") == [("4155550100", "A"), ("4155550100", None)]
    assert found(api, externId="A") == [("4155550100", "A")]
    assert found(api, reason="form") == [("4155550100", None)]
    assert found(api, countryCode={"id": "AUS"}) == [("+61412345678", None)]
    assert found(api, tag="Web form") == [("4155550100", None), ("+61412345678", None)]
    assert found(api, dncTagId=tag, countryId="USA") == [("4155550100", None)]
    assert found(api, phone="none") == found(api, tag="none") == []
    assert len(found(api)) == len(api.get("dncLists").json())


def test_upload_adds_entries_and_reports_rejected(api: Any) -> None:
    tag = add_tag(api, "Web form")
    content = b"phone,id,why\n4155550100\n(415) 555-0101,A,asked\n4155550100\n"
    response = api.session.post(
        f"{api.root}/dncLists/uploadDncFile",
        params={"dncTagId": tag},
        files={"file": ("dnc.csv", content)},
        timeout=20,
    )
    assert response.status_code == 200, response.text
    assert response.json() == {
        "dncUploadCount": 2,
        "rejectedRows": [{"message": "phone must be a phone number", "rowData": ["phone", "id", "why"]}],
    }
    entries = post(api, "dncLists/advancedSearch", {"dncTagId": tag}).json()
    assert [(entry["phone"], entry["externId"], entry["reason"]) for entry in entries] == [
        ("4155550100", None, None),
        ("4155550101", "A", "asked"),
    ]


def test_upload_invalid_file_returns_400(api: Any) -> None:
    path = f"{api.root}/dncLists/uploadDncFile"
    invalid: list[Row] = [
        {"json": {}},
        {"files": {"list": ("dnc.csv", b"1")}},
        {"files": {"file": ("dnc.csv", b"4155550100")}, "data": {"dncTagId": "7"}},
        {"files": {"file": ("dnc.csv", b"4155550100")}, "data": {"fileType": "CSV"}},
    ]
    for sent in invalid:
        assert api.session.post(path, timeout=20, **sent).status_code == 400, sent
    assert found(api, phone="4155550100") == []


def test_delete_by_tag_country_and_phone(api: Any) -> None:
    tag = add_tag(api, "Web form")
    numbers = (("4155550100", "USA"), ("4155550101", "USA"), ("+61412345678", "AUS"), ("+4930123456", "DEU"))
    for phone, country in numbers:
        add(api, phone=phone, countryId=country, dncTagId=tag)
    everything = len(found(api))
    path = f"dncLists/tags/{tag}/phones/4155550100/countries"
    assert [delete(api, f"{path}/{country}").status_code for country in ("AUS", "USA", "USA")] == [
        404,
        200,
        404,
    ]
    assert found(api, dncTagId=tag) == [(phone, None) for phone, _ in numbers[1:]]
    assert delete(api, f"dncLists/tags/{tag}/countries/aus").json() is True
    assert found(api, dncTagId=tag) == [("4155550101", None), ("+4930123456", None)]
    assert delete(api, f"dncLists/tags/{tag}").json() is True
    assert found(api, dncTagId=tag) == []
    # Entries of other tags are not deleted.
    assert len(found(api)) == everything - 4


def test_delete_global_entries_keeps_other_accounts(api: Any) -> None:
    assert delete(api, "dncLists/tags/0").json() is True
    assert found(api) == []
    api.account = "50810002"
    assert found(api)


@pytest.mark.parametrize(
    "path",
    [
        "dncLists/tags/9",
        "dncLists/tags/none/countries/USA",
        "dncLists/tags/0/phones/x/countries/USA",
        "dncTags/9",
    ],
)
def test_delete_missing_entry_returns_404(api: Any, path: str) -> None:
    before = len(found(api))
    assert delete(api, path).status_code == 404
    assert len(found(api)) == before


def test_delete_tag_deletes_its_entries(api: Any) -> None:
    tag = add_tag(api, "Web form")
    add(api, phone="4155550100", dncTagId=tag)
    assert [row["dncTagLabel"] for row in api.get("dncTags").json()] == ["GLOBAL", "Web form"]
    assert delete(api, f"dncTags/{tag}").json() is True
    assert [row["dncTagLabel"] for row in api.get("dncTags").json()] == ["GLOBAL"]
    assert found(api, phone="4155550100") == []
    # Ids are not reused.
    assert add_tag(api, "Web form") > tag


def test_add_invalid_tag_returns_400(api: Any) -> None:
    invalid: list[Row] = [{}, {"dncTagLabel": " "}, {"dncTagLabel": "GLOBAL"}, {"dncTagLabel": []}]
    for body in invalid:
        assert post(api, "dncTags", body).status_code == 400, body
    assert delete(api, "dncTags/0").status_code == 400
    assert len(api.get("dncTags").json()) == 1


def test_tag_of_other_account_is_unknown(api: Any) -> None:
    tag = add_tag(api, "Web form")
    api.account = "50810002"
    assert delete(api, f"dncTags/{tag}").status_code == 404
    assert post(api, "dncLists", {"phone": "4155550100", "dncTagId": tag}).status_code == 400


@pytest.mark.assumption(41, 39)
def test_load_skips_leads_on_dnc(api: Any, spring: Row) -> None:
    add(api, phone="4155500002")
    add(api, externId="T-3")
    result = load(api, spring, [lead(1), lead(2), lead(3), lead(4, "4155500009|4155500002")])
    assert counters(result) == (4, 4, 4, 1, 0, 3)
    assert [row["externId"] for row in api.search(externIds=["T-1", "T-2", "T-3", "T-4"])] == ["T-1"]
    newest = lists_of(api, spring)[-1]
    assert (newest["leadsAccepted"], newest["leadsDoNotCall"]) == (4, 3)


@pytest.mark.assumption(41)
def test_load_dnc_insert_setting_loads_as_dnc(
    api_of: Callable[[SandboxServer], Any],
) -> None:
    with SandboxServer(Settings(size=100, dnc_scrubbed="insert")) as other:
        api, campaign = api_of(other), other.campaign("Spring Renewals")
        add(api, phone="4155500002")
        result = load(api, campaign, [lead(1), lead(2)])
        assert counters(result) == (2, 2, 2, 2, 0, 1)
        assert [find_lead(api, f"T-{number}")["leadState"] for number in (1, 2)] == ["READY", "DO-NOT-CALL"]


@pytest.mark.assumption(41)
@pytest.mark.parametrize(
    ("option", "scrubbed"),
    [
        ("CELLULAR_AND_INTERNAL", 1),
        ("CELLULAR_ONLY", 0),
        ("DO_NOT_SCRUB", 0),
        ("INTERNAL_AND_NATIONAL", 1),
        ("INTERNAL_ONLY", 1),
    ],
)
def test_load_scrubs_by_campaign_option(api: Any, spring: Row, option: str, scrubbed: int) -> None:
    add(api, phone="4155500001")
    set_scrubbing(api, spring, option)
    assert counters(load(api, spring, [lead(1)])) == (1, 1, 1, 1 - scrubbed, 0, scrubbed)


def test_load_scrubs_by_named_tags(api: Any, spring: Row) -> None:
    tag = add_tag(api, "Web form")
    add(api, phone="4155500001", dncTagId=tag)
    assert counters(load(api, spring, [lead(1)]))[-1] == 0
    assert counters(load(api, spring, [lead(1)], dncTags=["Web form"]))[-1] == 1
    assert counters(load(api, spring, [lead(1)], dncTags=[tag, "none"]))[-1] == 1


def test_load_ignores_entries_of_other_accounts(api: Any, spring: Row) -> None:
    api.account = "50810002"
    add(api, phone="4155500001")
    api.account = "50810001"
    assert counters(load(api, spring, [lead(1)]))[-1] == 0


def test_add_entry_does_not_change_existing_leads(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    before = sandbox.leads()
    add(api, phone=in_state(leads, "READY")[0]["leadPhone"].split("|")[0])
    assert sandbox.leads() == before


@pytest.mark.assumption(22, 30)
def test_dialer_skips_leads_on_dnc(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    load(api, spring, [lead(1), lead(2), lead(3), lead(4)], dialPriority="IMMEDIATE")
    forbidden = {**MANUAL, "DO_NOT_CALL": True}
    api.act("MANUAL_LEADS", {"leadPhoneNumbers": [lead(1)["leadPhone"]]}, **forbidden)
    api.act("MANUAL_LEADS", {"externIds": ["T-2"]}, **forbidden)
    assert api.act("READY_LEADS", {"externIds": ["T-1", "T-2"]})["leadUpdateCount"] == 2
    sandbox.fault("dialer", operation="dnc_tags", leads=2)
    api.get("dncTags")
    states = {row["externId"]: row["leadState"] for row in api.search(externIds=["T-1", "T-2", "T-3", "T-4"])}
    assert states == {"T-1": "READY", "T-2": "READY", "T-3": "PENDING", "T-4": "PENDING"}


@pytest.mark.assumption(30)
def test_manual_pass_adds_phone_or_extern_id(api: Any, spring: Row) -> None:
    load(api, spring, [lead(number) for number in (1, 2, 3)] + [lead(4, "4155500004|4155500005")])
    forbidden = {**MANUAL, "PASS_DISPOSITION": "Do Not Call", "DO_NOT_CALL": "true"}
    api.act("MANUAL_LEADS", {"externIds": ["T-1"]}, **forbidden)
    api.act("MANUAL_LEADS", {"leadPhoneNumbers": [lead(2)["leadPhone"]]}, **forbidden)
    api.act("MANUAL_LEADS", {"leadIds": [find_lead(api, "T-4")["leadId"]]}, **forbidden)
    api.act("MANUAL_LEADS", {"externIds": ["T-3"]}, **MANUAL)
    assert found(api, reason="Do Not Call") == [
        (None, "T-1"),
        ("4155500002", None),
        ("4155500004", None),
        ("4155500005", None),
    ]
    assert [row["leadState"] for row in api.search(externIds=["T-1", "T-2", "T-4"])] == ["DO-NOT-CALL"] * 3
    assert found(api, externId="T-3") == []
    assert counters(load(api, spring, [lead(number) for number in (1, 2, 3)]))[-1] == 2


def test_reset_leads_keeps_dnc_entry(api: Any, spring: Row, leads: list[Row]) -> None:
    phone = in_state(leads, "DO-NOT-CALL")[0]["leadPhone"].split("|")[0]
    api.act("RESET_LEADS", {"campaignIds": [spring["campaignId"]]})
    assert counters(load(api, spring, [lead(1, phone)]))[-1] == 1
