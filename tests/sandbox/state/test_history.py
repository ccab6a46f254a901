"""Searches that are behind: by a delay, or by a fault."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from tests.sandbox.support.leads import Row, after, by_ids, in_state, move_to

slow = pytest.mark.ringcx_sandbox(visibility_delay=60)


def states(api: Any, rows: list[Row]) -> set[str]:
    return {row["leadState"] for row in api.search(by_ids(rows))}


def by_phone(api: Any, numbers: list[str]) -> list[int]:
    path = f"{api.root}/campaignLeads/leadSearchByPhoneList"
    answer = api.session.post(path, json={"phoneList": numbers}, timeout=20)
    return [row["leadId"] for row in answer.json()]


@pytest.mark.choice(42)
def test_changes_show_at_once(api: Any, leads: list[Row]) -> None:
    api.act("PAUSE_LEADS", by_ids(leads[:5]))
    assert states(api, leads[:5]) == {"PAUSED"}


@slow
@pytest.mark.choice(42)
def test_a_change_shows_after_the_delay(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")
    before, total = api.search(by_ids(ready)), api.count(leadStates=["READY"])
    api.act("PAUSE_LEADS", by_ids(ready))
    assert api.search(by_ids(ready)) == before
    assert api.count(leadStates=["READY"]) == total
    sandbox.advance(50)
    assert api.search(by_ids(ready)) == before
    sandbox.advance(11)
    assert states(api, ready) == {"PAUSED"}
    assert api.count(leadStates=["READY"]) == total - len(ready)


@slow
@pytest.mark.choice(42)
def test_every_step_shows_in_its_turn(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    lead = in_state(leads, "READY")[:1]
    for action in ("PAUSE_LEADS", "CANCEL_LEADS"):
        api.act(action, by_ids(lead))
        sandbox.advance(40)
    assert states(api, lead) == {"PAUSED"}
    assert [row["leadId"] for row in api.search(leadStates=["PAUSED"], **by_ids(lead))] == by_ids(lead)[
        "leadIds"
    ]
    assert api.count(leadStates=["CANCELLED"], **by_ids(lead)) == 0
    sandbox.advance(40)
    assert states(api, lead) == {"CANCELLED"}


@slow
@pytest.mark.choice(42)
def test_deleted_leads_are_still_found(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    gone = [lead for lead in leads if "|" in lead["leadPhone"]][:2]
    numbers = [lead["leadPhone"].split("|")[1] for lead in gone]
    before, called = api.search(by_ids(gone)), by_phone(api, numbers)
    assert api.act("DELETE_LEADS", by_ids(gone))["leadDeleteCount"] == 2
    assert api.search(by_ids(gone)) == before
    assert by_phone(api, numbers) == called
    assert [row["leadId"] for row in api.search(leadPhoneNumbers=numbers)] == called
    sandbox.advance(61)
    assert api.count(**by_ids(gone)) == 0
    assert set(by_phone(api, numbers)) == set(called) - {lead["leadId"] for lead in gone}


@slow
@pytest.mark.choice(42)
def test_new_leads_are_not_found_yet(sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row) -> None:
    phone = leads[0]["leadPhone"].split("|")[0]
    before, called = api.count(), by_phone(api, [phone])
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:1]), **move_to(summer, CREATE_COPY_SETTING="true"))
    assert api.count() == before
    assert by_phone(api, [phone]) == called
    sandbox.advance(61)
    assert api.count() == before + 1
    assert len(by_phone(api, [phone])) == len(called) + 1


@slow
@pytest.mark.choice(42)
def test_a_new_number_is_not_found_yet(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    lead = next(lead for lead in leads if "|" not in lead["leadPhone"])
    path = f"{api.root}/campaignLeads/{lead['leadId']}?campaignId={lead['campaignId']}"
    assert api.session.patch(path, json={"leadPhone": "2125550199"}, timeout=20).status_code == 200
    assert by_phone(api, ["2125550199"]) == []
    assert lead["leadId"] in by_phone(api, [lead["leadPhone"]])
    assert api.lead(lead["leadId"]) == lead
    sandbox.advance(61)
    assert by_phone(api, ["2125550199"]) == [lead["leadId"]]
    assert lead["leadId"] not in by_phone(api, [lead["leadPhone"]])


@slow
@pytest.mark.choice(42)
def test_callbacks_in_the_rows_are_behind_too(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    waiting = in_state(leads, "CALLBACK")[:1]
    before = api.search(by_ids(waiting))
    assert before[0]["campaignLead"]["campaignRedials"]
    api.act("CANCEL_LEADS", by_ids(waiting))
    assert api.search(by_ids(waiting)) == before
    sandbox.advance(61)
    assert api.search(by_ids(waiting))[0]["campaignLead"]["campaignRedials"] == []


@slow
@pytest.mark.choice(42)
def test_actions_see_the_leads_as_they_are(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:3]
    api.act("PAUSE_LEADS", by_ids(ready))
    assert api.act("CANCEL_LEADS", {**by_ids(ready), "leadStates": ["READY"]})["leadUpdateCount"] == 0
    assert api.act("CANCEL_LEADS", {**by_ids(ready), "leadStates": ["PAUSED"]})["leadUpdateCount"] == 3
    assert {row["leadState"] for row in after(sandbox, ready)} == {"CANCELLED"}


@slow
@pytest.mark.choice(42)
def test_what_was_undone_leaves_no_trace(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    before = api.search(by_ids(leads[:3]))
    params = {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1}
    assert api.act("CALLBACK_LEADS", by_ids(leads[:3]), **params)["success"] is False
    assert api.search(by_ids(leads[:3])) == before


@slow
@pytest.mark.choice(42)
def test_pages_are_cut_from_what_was(api: Any, leads: list[Row]) -> None:
    before = [api.post_search({}, page=page, maxRows=30).json() for page in range(3)]
    api.act("DELETE_LEADS", by_ids(leads[5:15]))
    assert [api.post_search({}, page=page, maxRows=30).json() for page in range(3)] == before


@slow
def test_a_reset_shows_at_once_and_the_delay_stays(
    sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
    everything = sandbox.leads()
    api.act("DELETE_LEADS", by_ids(leads))
    sandbox.reset()
    assert sandbox.leads() == everything
    assert api.search(by_ids(leads[:3])) == everything_of(everything, leads[:3])
    api.act("DELETE_LEADS", by_ids(leads))
    assert api.search(by_ids(leads[:3])) == everything_of(everything, leads[:3])
    sandbox.advance(61)
    assert api.search(by_ids(leads[:3])) == []


def everything_of(rows: list[Row], wanted: list[Row]) -> list[Row]:
    ids = {row["leadId"] for row in wanted}
    return [row for row in rows if row["leadId"] in ids]


def test_a_state_file_keeps_no_old_versions(tmp_path: Any, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    settings = Settings(size=60, visibility_delay=3600)
    with SandboxServer(settings, database=file) as sandbox:
        leads = sandbox.leads("Spring Renewals")[:2]
        api_of(sandbox).act("PAUSE_LEADS", by_ids(leads))
    with SandboxServer(settings, database=file) as sandbox:
        assert states(api_of(sandbox), leads) == {"PAUSED"}


def test_a_stale_search_sees_what_was_when_the_fault_was_set(
    sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
    ready = in_state(leads, "READY")[:4]
    api.act("PAUSE_LEADS", by_ids(ready))
    sandbox.fault("stale", operation="lead_search", times=2)
    api.act("CANCEL_LEADS", by_ids(ready[:2]))
    sandbox.advance(1800)
    api.act("DELETE_LEADS", by_ids(ready[2:]))
    assert states(api, ready) == {"PAUSED"}
    assert api.count(**by_ids(ready)) == 2
    assert len(api.search(by_ids(ready))) == 4
    assert states(api, ready) == {"CANCELLED"}


def test_a_later_stale_fault_sees_a_later_moment(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:2]
    sandbox.fault("stale", operation="lead_search", times=1)
    api.act("PAUSE_LEADS", by_ids(ready))
    assert states(api, ready) == {"READY"}
    sandbox.advance(5)
    sandbox.fault("stale", operation="lead_search", times=1)
    api.act("CANCEL_LEADS", by_ids(ready))
    assert states(api, ready) == {"PAUSED"}
    assert states(api, ready) == {"CANCELLED"}


def versions(service: Service) -> int:
    with service.store.reading() as connection:
        number: int = connection.execute("SELECT count(*) FROM old_leads").fetchone()[0]
    return number


def pause(service: Service) -> None:
    with service.store.changing() as connection:
        connection.execute("UPDATE leads SET leadState = 'PAUSED'")


def test_versions_that_nobody_can_ask_for_are_forgotten() -> None:
    service = Service.start(Settings(size=50, visibility_delay=10), ":memory:")
    pause(service)
    pause(service)
    assert versions(service) == 100
    service.clock.advance(11)
    pause(service)
    assert versions(service) == 50
    service.store.keep_history(30)
    service.clock.advance(11)
    pause(service)
    assert versions(service) == 100
    service.reset()
    assert versions(service) == 0
    service.store.close()


def test_without_a_delay_no_versions_are_kept() -> None:
    service = Service.start(Settings(size=50), ":memory:")
    with service.store.reading() as connection:
        triggers = "SELECT count(*) FROM sqlite_temp_master WHERE type = 'trigger'"
        assert connection.execute(triggers).fetchone()[0] == 0
        service.store.keep_history()
        assert connection.execute(triggers).fetchone()[0] > 0
        service.reset()
        assert connection.execute(triggers).fetchone()[0] == 0
    service.store.close()
