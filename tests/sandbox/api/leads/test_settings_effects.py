"""Settings that change searches and actions."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.sandbox.support.leads import (
    MANUAL,
    Row,
    action_counts,
    by_ids,
    in_state,
    move_params,
    reload_leads,
)


def assert_rejected(response: Any, name: str = "") -> None:
    """Assert that a request was rejected with 400 because of the named value."""
    assert response.status_code == 400, response.text
    body = response.json()
    assert body["generalMessage"] == "The supplied data is not valid"
    assert [error["attributeName"] for error in body["validationErrors"]] == ([name] if name else [])


@pytest.mark.assumption(1)
@pytest.mark.ringcx_sandbox(strict_criteria=True)
def test_strict_criteria_rejects_empty_criteria(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    before = sandbox.leads()
    no_filter: list[Row] = [
        {},
        {"leadIds": []},
        {"suppressed": "ALL"},
        {"campaignId": spring["campaignId"]},
    ]
    for criteria in no_filter:
        assert_rejected(api.post_search(criteria))
        assert_rejected(api.post_search(criteria, count="true"))
        assert_rejected(api.put_action("DELETE_LEADS", {"campaignLeadSearchCriteria": criteria}))
    assert_rejected(api.put_action("DELETE_LEADS", {}))
    assert sandbox.leads() == before
    assert api.count(campaignIds=[spring["campaignId"]]) > 0


@pytest.mark.assumption(1, 2)
@pytest.mark.ringcx_sandbox(strict_criteria=True, honour_campaign_id=True)
def test_strict_criteria_accepts_honoured_campaign_id(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    expected = len(sandbox.leads("Spring Renewals"))
    assert api.count(campaignId=spring["campaignId"]) == expected
    assert api.act("PAUSE_LEADS", {"campaignId": spring["campaignId"]})["leadUpdateCount"] < expected + 1


@pytest.mark.assumption(11)
@pytest.mark.parametrize(
    ("criteria", "column", "part"),
    [
        ({"lastName": "AR"}, "lastName", "ar"),
        ({"city": "san"}, "city", "san"),
        ({"emailAddress": "@EXAMPLE.org"}, "email", "@example.org"),
        ({"auxData1": "u"}, "auxData1", "u"),
        ({"address1": "% street"}, "address1", "% street"),
    ],
    ids=str,
)
@pytest.mark.ringcx_sandbox(text_match="part", row_cap=2000)
def test_text_match_part_finds_partial_text(
    sandbox: SandboxServer, api: Any, criteria: Row, column: str, part: str
) -> None:
    everybody = api.search()
    expected = [row["leadId"] for row in everybody if part in (row[column] or "").lower()]
    assert len(expected) < len(everybody)
    assert bool(expected) is ("%" not in part)
    assert [row["leadId"] for row in api.search(criteria)] == expected


@pytest.mark.assumption(52)
@pytest.mark.ringcx_sandbox(id_cap=5)
@pytest.mark.parametrize("name", ["campaignIds", "externIds", "leadIds", "leadPhoneNumbers", "listIds"])
def test_id_cap_limits_list_length(sandbox: SandboxServer, api: Any, name: str) -> None:
    values = [str(number) for number in range(1, 7)]
    assert api.search({name: values[:5]}) == []
    assert_rejected(api.post_search({name: values}), name)
    assert_rejected(api.put_action("DELETE_LEADS", {"campaignLeadSearchCriteria": {name: values}}), name)


@pytest.mark.assumption(52)
def test_id_cap_default_is_unlimited(api: Any, leads: list[Row]) -> None:
    ids = [*range(1, 20_000), leads[0]["leadId"]]
    assert api.count(leadIds=ids) == 1


@pytest.mark.assumption(16, 17)
@pytest.mark.ringcx_sandbox(strict_params=True)
@pytest.mark.parametrize(
    ("action", "params", "name"),
    [
        ("MANUAL_LEADS", {**MANUAL, "REQUEUE": None}, "REQUEUE"),
        ("MANUAL_LEADS", {**MANUAL, "PASS_DELAY": "later"}, "PASS_DELAY"),
        ("EMAIL_LEADS", {}, "EMAIL_TO"),
        ("CALLBACK_LEADS", {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1}, "RESERVATION_AGENT_ID"),
        ("AGENT_RESERVATION", {}, "RESERVATION_AGENT_ID"),
        ("MOVE_TO_CAMPAIGN", {"CAMPAIGN_ID": 1}, "CAMPAIGN_ID"),
        ("MOVE_TO_CAMPAIGN", {"LIST_ID": 1}, "LIST_ID"),
    ],
    ids=str,
)
def test_strict_params_returns_400(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row, action: str, params: Row, name: str
) -> None:
    if action == "MOVE_TO_CAMPAIGN":
        params = {**move_params(summer), **params}
    before = sandbox.leads()
    body = {"campaignLeadSearchCriteria": by_ids(leads), "leadActionParams": {"paramMap": params}}
    assert_rejected(api.put_action(action, body), name)
    assert sandbox.leads() == before
    assert sandbox.outbox == []


@pytest.mark.assumption(16, 33)
@pytest.mark.ringcx_sandbox(strict_params=True, strict_reservation=True)
def test_strict_params_and_reservation_returns_400(api: Any, leads: list[Row], agent: Row) -> None:
    params = {"paramMap": {"RESERVATION_AGENT_ID": agent["agentId"]}}
    body = {"campaignLeadSearchCriteria": by_ids(leads), "leadActionParams": params}
    assert_rejected(api.put_action("AGENT_RESERVATION", body), "CALLBACK_DTS")


def select_copies(sandbox: SandboxServer, leads: list[Row]) -> list[Row]:
    campaign = leads[0]["campaignId"]
    extern_ids = {lead["externId"] for lead in leads}
    return [
        lead for lead in sandbox.leads() if lead["externId"] in extern_ids and lead["campaignId"] != campaign
    ]


@pytest.mark.assumption(25)
@pytest.mark.ringcx_sandbox(copy_passes="reset")
@pytest.mark.parametrize("setting", ["true", "TRANSITION"])
def test_copy_passes_reset_resets_copies(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row, setting: str
) -> None:
    called = [lead for lead in in_state(leads, "COMPLETE", "MAX-DIAL-LIMIT") if lead["leadPasses"]][:5]
    api.act("MOVE_TO_CAMPAIGN", by_ids(called), **move_params(summer, CREATE_COPY_SETTING=setting))
    copies = select_copies(sandbox, called)
    assert [(row["leadState"], row["leadPasses"]) for row in copies] == [("READY", 0)] * len(called)
    assert [row["leadPasses"] for row in reload_leads(sandbox, called)] == [
        row["leadPasses"] for row in called
    ]


@pytest.mark.assumption(26)
@pytest.mark.ringcx_sandbox(transition_marks="copy")
def test_transition_marks_copy_marks_copies(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    result = api.act(
        "MOVE_TO_CAMPAIGN", by_ids(leads), **move_params(summer, CREATE_COPY_SETTING="TRANSITION")
    )
    assert action_counts(result) == (True, len(leads), 0, 0, False)
    assert reload_leads(sandbox, leads) == leads
    copies = select_copies(sandbox, leads)
    assert [(row["leadState"], row["leadPasses"]) for row in copies] == [
        ("TRANSITIONED", row["leadPasses"]) for row in leads
    ]


@pytest.mark.assumption(21)
@pytest.mark.ringcx_sandbox(dialer_holds=3)
@pytest.mark.parametrize("action", ["CANCEL_LEADS", "DELETE_LEADS", "MOVE_TO_CAMPAIGN", "PAUSE_LEADS"])
def test_dialer_holds_excludes_leads(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row, action: str
) -> None:
    ready = in_state(leads, "READY")[:5]
    params = move_params(summer) if action == "MOVE_TO_CAMPAIGN" else {}
    count = "leadDeleteCount" if action == "DELETE_LEADS" else "leadUpdateCount"
    assert api.act(action, by_ids(ready), **params)[count] == 2
    held = [row for row in reload_leads(sandbox, ready) if row["leadState"] == "PENDING"]
    assert [row["leadId"] for row in held] == by_ids(ready[:3])["leadIds"]
    assert {row["campaignId"] for row in held} == {ready[0]["campaignId"]}
    # Repeating the action until nothing remains succeeds.
    assert api.act(action, by_ids(held), **params)[count] == 3
    assert (
        not [row for row in reload_leads(sandbox, ready) if row["leadState"] in ("READY", "PENDING")]
        or params
    )


@pytest.mark.assumption(21)
@pytest.mark.ringcx_sandbox(dialer_holds=3)
def test_dialer_holds_ignores_other_actions(api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:5]
    for action in ("SUPPRESS_LEADS", "UNSUPPRESS_LEADS", "READY_LEADS", "RESET_LEADS"):
        assert api.act(action, by_ids(ready))["leadUpdateCount"] == 5
    assert {row["leadState"] for row in api.search(by_ids(ready))} == {"READY"}
