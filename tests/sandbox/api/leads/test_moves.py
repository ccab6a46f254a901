"""MOVE_TO_CAMPAIGN: moves, copies, transitions and duplicates."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import (
    Row,
    action_counts,
    by_ids,
    lists_of,
    move_params,
    reload_leads,
    without,
)


@pytest.mark.assumption(24, 27)
def test_move_creates_new_list(sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row) -> None:
    lists = lists_of(api, summer)
    result = api.act("MOVE_TO_CAMPAIGN", by_ids(leads), **move_params(summer))
    assert action_counts(result) == (True, len(leads), 0, 0, False)
    (new_list,) = [row for row in lists_of(api, summer) if row not in lists]
    assert (new_list["listDesc"], new_list["leadsSupplied"]) == ("New Leads List", len(leads))
    target = {
        "campaignId": summer["campaignId"],
        "campaignName": "Summer Win-Back",
        "dialGroupId": summer["dialGroupId"],
        "listId": new_list["listId"],
        "listDesc": "New Leads List",
    }
    changing = (*target, "stateDts", "uploadDate", "uploadedBy")
    for old, new in zip(leads, reload_leads(sandbox, leads), strict=True):
        assert {name: new[name] for name in target} == target
        assert without(new, *changing) == without(old, *changing)


@pytest.mark.assumption(27)
def test_move_twice_creates_two_lists_of_same_name(api: Any, leads: list[Row], summer: Row) -> None:
    for lead in leads[:2]:
        api.act("MOVE_TO_CAMPAIGN", by_ids([lead]), **move_params(summer))
    assert [row["listDesc"] for row in lists_of(api, summer)].count("New Leads List") == 2


@pytest.mark.assumption(27)
def test_move_without_list_name_generates_name(api: Any, leads: list[Row], summer: Row) -> None:
    params = {**move_params(summer), "LIST_NAME": None}
    assert api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:1]), **params)["success"]
    assert lists_of(api, summer)[-1]["listDesc"]


def test_move_into_existing_list(sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row) -> None:
    lists = lists_of(api, summer)
    params = move_params(summer, LIST_ID=lists[0]["listId"], CREATE_COPY_SETTING=False)
    assert api.act("MOVE_TO_CAMPAIGN", by_ids(leads), **params)["leadUpdateCount"] == len(leads)
    assert {row["listDesc"] for row in reload_leads(sandbox, leads)} == {lists[0]["listDesc"]}
    assert len(lists_of(api, summer)) == len(lists)


@pytest.mark.assumption(25)
def test_copy_creates_copies(sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row) -> None:
    before = sandbox.leads()
    newest = before[-1]["leadId"]
    result = api.act("MOVE_TO_CAMPAIGN", by_ids(leads), **move_params(summer, CREATE_COPY_SETTING=True))
    assert action_counts(result) == (True, len(leads), 0, 0, False)
    assert [lead for lead in sandbox.leads() if lead["leadId"] <= newest] == before
    copies = [lead for lead in sandbox.leads() if lead["leadId"] > newest]
    kept = ("externId", "leadPhone", "leadState", "leadPasses", "nextDialTime", "firstName", "suppressed")
    assert [[row[name] for name in kept] for row in copies] == [[row[name] for name in kept] for row in leads]
    assert {row["campaignName"] for row in copies} == {"Summer Win-Back"}
    phone = copies[0]["leadPhone"].split("|")[0]
    assert copies[0]["leadId"] in [row["leadId"] for row in api.search(leadPhoneNumbers=[phone])]


@pytest.mark.assumption(26)
def test_transition_copies_and_marks_originals(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    newest = sandbox.leads()[-1]["leadId"]
    result = api.act(
        "MOVE_TO_CAMPAIGN", by_ids(leads), **move_params(summer, CREATE_COPY_SETTING="transition")
    )
    assert action_counts(result) == (True, len(leads), 0, 0, False)
    originals = reload_leads(sandbox, leads)
    assert {(row["leadState"], row["campaignName"]) for row in originals} == {
        ("TRANSITIONED", "Spring Renewals")
    }
    copies = [lead for lead in sandbox.leads() if lead["leadId"] > newest]
    assert [row["externId"] for row in copies] == [row["externId"] for row in leads]
    assert {(row["leadState"], row["campaignName"]) for row in copies} == {("READY", "Summer Win-Back")}


@pytest.mark.assumption(29)
def test_move_ignore_excludes_duplicates_in_list(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    copies = move_params(summer, CREATE_COPY_SETTING="true")
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:3]), **copies)
    target = lists_of(api, summer)[-1]["listId"]
    ignoring = move_params(summer, LIST_ID=target, DUPLICATE_ACTION_SETTING="IGNORE")
    result = api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:8]), **ignoring)
    assert result["leadUpdateCount"] == 5
    moved = [row["campaignName"] for row in reload_leads(sandbox, leads[:8])]
    assert moved == ["Spring Renewals"] * 3 + ["Summer Win-Back"] * 5


@pytest.mark.assumption(29)
def test_move_ignore_excludes_duplicates_in_selection(
    sandbox: SandboxServer, api: Any, leads: list[Row], spring: Row
) -> None:
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:3]), **move_params(spring, CREATE_COPY_SETTING="true"))
    twice = {"leadPhoneNumbers": [row["leadPhone"].split("|")[0] for row in leads[:3]]}
    assert api.count(**twice) == 6
    ignoring = move_params(spring, DUPLICATE_ACTION_SETTING="IGNORE")
    assert api.act("MOVE_TO_CAMPAIGN", twice, **ignoring)["leadUpdateCount"] == 3


@pytest.mark.assumption(28)
def test_move_within_same_list(api: Any, leads: list[Row], spring: Row) -> None:
    same = [row for row in leads if row["listId"] == leads[0]["listId"]]
    for setting in ("MOVE", "IGNORE"):
        params = move_params(spring, LIST_ID=same[0]["listId"], DUPLICATE_ACTION_SETTING=setting)
        assert api.act("MOVE_TO_CAMPAIGN", by_ids(same), **params)["leadUpdateCount"] == len(same)


@pytest.mark.assumption(29)
def test_copy_ignore_excludes_copies_of_own_list(api: Any, sandbox: SandboxServer) -> None:
    leads = sandbox.leads("Spring Renewals")[:3]
    place = sandbox.campaign("Spring Renewals")
    for lead in leads:
        params = {
            **move_params(place),
            "LIST_ID": lead["listId"],
            "CREATE_COPY_SETTING": "true",
            "DUPLICATE_ACTION_SETTING": "IGNORE",
        }
        assert api.act("MOVE_TO_CAMPAIGN", by_ids([lead]), **params)["leadUpdateCount"] == 0
