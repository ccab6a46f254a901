"""Row history: searches delayed by a setting or by the fault ``stale``."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.sandbox.seed.generated_data import GeneratedData
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from tests.sandbox.support.leads import Row, by_ids, in_state, move_params, reload_leads

delayed = pytest.mark.ringcx_sandbox(visibility_delay=60)


def states(api: Any, rows: list[Row]) -> set[str]:
    return {row["leadState"] for row in api.search(by_ids(rows))}


def by_phone(api: Any, numbers: list[str]) -> list[int]:
    path = f"{api.root}/campaignLeads/leadSearchByPhoneList"
    response = api.session.post(path, json={"phoneList": numbers}, timeout=20)
    return [row["leadId"] for row in response.json()]


@pytest.mark.assumption(42)
def test_search_without_delay_shows_changes_immediately(api: Any, leads: list[Row]) -> None:
    api.act("PAUSE_LEADS", by_ids(leads[:5]))
    assert states(api, leads[:5]) == {"PAUSED"}


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_shows_change_after_delay(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
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


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_shows_each_version_in_turn(
    sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
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


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_finds_deleted_leads(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    deleted = [lead for lead in leads if "|" in lead["leadPhone"]][:2]
    numbers = [lead["leadPhone"].split("|")[1] for lead in deleted]
    before, called = api.search(by_ids(deleted)), by_phone(api, numbers)
    assert api.act("DELETE_LEADS", by_ids(deleted))["leadDeleteCount"] == 2
    assert api.search(by_ids(deleted)) == before
    assert by_phone(api, numbers) == called
    assert [row["leadId"] for row in api.search(leadPhoneNumbers=numbers)] == called
    sandbox.advance(61)
    assert api.count(**by_ids(deleted)) == 0
    assert set(by_phone(api, numbers)) == set(called) - {lead["leadId"] for lead in deleted}


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_does_not_find_new_leads(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    phone = leads[0]["leadPhone"].split("|")[0]
    before, called = api.count(), by_phone(api, [phone])
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:1]), **move_params(summer, CREATE_COPY_SETTING="true"))
    assert api.count() == before
    assert by_phone(api, [phone]) == called
    sandbox.advance(61)
    assert api.count() == before + 1
    assert len(by_phone(api, [phone])) == len(called) + 1


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_does_not_find_new_number(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    lead = next(lead for lead in leads if "|" not in lead["leadPhone"])
    path = f"{api.root}/campaignLeads/{lead['leadId']}?campaignId={lead['campaignId']}"
    assert api.session.patch(path, json={"leadPhone": "2125550199"}, timeout=20).status_code == 200
    assert by_phone(api, ["2125550199"]) == []
    assert lead["leadId"] in by_phone(api, [lead["leadPhone"]])
    assert api.lead(lead["leadId"]) == lead
    sandbox.advance(61)
    assert by_phone(api, ["2125550199"]) == [lead["leadId"]]
    assert lead["leadId"] not in by_phone(api, [lead["leadPhone"]])


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_shows_old_callbacks(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    waiting = in_state(leads, "CALLBACK")[:1]
    before = api.search(by_ids(waiting))
    assert before[0]["campaignLead"]["campaignRedials"]
    api.act("CANCEL_LEADS", by_ids(waiting))
    assert api.search(by_ids(waiting)) == before
    sandbox.advance(61)
    assert api.search(by_ids(waiting))[0]["campaignLead"]["campaignRedials"] == []


@delayed
@pytest.mark.assumption(42)
def test_actions_with_delay_read_current_leads(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:3]
    api.act("PAUSE_LEADS", by_ids(ready))
    assert api.act("CANCEL_LEADS", {**by_ids(ready), "leadStates": ["READY"]})["leadUpdateCount"] == 0
    assert api.act("CANCEL_LEADS", {**by_ids(ready), "leadStates": ["PAUSED"]})["leadUpdateCount"] == 3
    assert {row["leadState"] for row in reload_leads(sandbox, ready)} == {"CANCELLED"}


@delayed
@pytest.mark.assumption(42)
def test_rolled_back_action_leaves_no_history(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    before = api.search(by_ids(leads[:3]))
    params = {"ACTION_TYPE": "AGENT", "RESERVATION_AGENT_ID": 1}
    assert api.act("CALLBACK_LEADS", by_ids(leads[:3]), **params)["success"] is False
    assert api.search(by_ids(leads[:3])) == before


@delayed
@pytest.mark.assumption(42)
def test_delayed_search_paginates_old_rows(api: Any, leads: list[Row]) -> None:
    before = [api.post_search({}, page=page, maxRows=30).json() for page in range(3)]
    api.act("DELETE_LEADS", by_ids(leads[5:15]))
    assert [api.post_search({}, page=page, maxRows=30).json() for page in range(3)] == before


@delayed
def test_reset_is_visible_immediately_and_keeps_delay(
    sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
    everything = sandbox.leads()
    api.act("DELETE_LEADS", by_ids(leads))
    sandbox.reset()
    assert sandbox.leads() == everything
    assert api.search(by_ids(leads[:3])) == only_leads(everything, leads[:3])
    api.act("DELETE_LEADS", by_ids(leads))
    assert api.search(by_ids(leads[:3])) == only_leads(everything, leads[:3])
    sandbox.advance(61)
    assert api.search(by_ids(leads[:3])) == []


def only_leads(rows: list[Row], wanted: list[Row]) -> list[Row]:
    ids = {row["leadId"] for row in wanted}
    return [row for row in rows if row["leadId"] in ids]


def test_state_file_stores_no_history(tmp_path: Any, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    settings = Settings(size=60, visibility_delay=3600)
    with SandboxServer(settings, database=file) as sandbox:
        leads = sandbox.leads("Spring Renewals")[:2]
        api_of(sandbox).act("PAUSE_LEADS", by_ids(leads))
    with SandboxServer(settings, database=file) as sandbox:
        assert states(api_of(sandbox), leads) == {"PAUSED"}


def test_stale_fault_shows_rows_as_of_its_creation(
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


def test_later_stale_fault_shows_later_rows(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:2]
    sandbox.fault("stale", operation="lead_search", times=1)
    api.act("PAUSE_LEADS", by_ids(ready))
    assert states(api, ready) == {"READY"}
    sandbox.advance(5)
    sandbox.fault("stale", operation="lead_search", times=1)
    api.act("CANCEL_LEADS", by_ids(ready))
    assert states(api, ready) == {"PAUSED"}
    assert states(api, ready) == {"CANCELLED"}


def create_sandbox(**settings: Any) -> SandboxState:
    return SandboxState.create(Settings(size=50, **settings), ":memory:", GeneratedData(1, 50))


def count_versions(sandbox: SandboxState) -> int:
    with sandbox.store.reading() as connection:
        number: int = connection.execute("SELECT count(*) FROM old_leads").fetchone()[0]
    return number


def pause_all(sandbox: SandboxState) -> None:
    with sandbox.store.changing() as connection:
        connection.execute("UPDATE leads SET leadState = 'PAUSED'")


def test_history_older_than_retention_is_purged() -> None:
    sandbox = create_sandbox(visibility_delay=10)
    pause_all(sandbox)
    pause_all(sandbox)
    assert count_versions(sandbox) == 100
    sandbox.clock.advance(11)
    pause_all(sandbox)
    assert count_versions(sandbox) == 50
    sandbox.store.keep_history(30)
    sandbox.clock.advance(11)
    pause_all(sandbox)
    assert count_versions(sandbox) == 100
    sandbox.reset()
    assert count_versions(sandbox) == 0
    sandbox.store.close()


def test_history_is_recorded_only_if_needed() -> None:
    sandbox = create_sandbox()
    with sandbox.store.reading() as connection:
        triggers = "SELECT count(*) FROM sqlite_temp_master WHERE type = 'trigger'"
        assert connection.execute(triggers).fetchone()[0] == 0
        sandbox.store.keep_history()
        assert connection.execute(triggers).fetchone()[0] > 0
        sandbox.reset()
        assert connection.execute(triggers).fetchone()[0] == 0
    sandbox.store.close()
