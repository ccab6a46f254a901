"""Asset events of campaigns in DAG runs, and the DAGs that they trigger."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from airflow_provider_engagevoice.version_compat import triggering_assets
from tests.support.asset_events import register_consumer, stored_events, triggered
from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

pytestmark = pytest.mark.usefixtures("airflow_db")

IS_2 = version("apache-airflow").startswith("2.")


@pytest.fixture
def uris(spring, summer):
    """URIs of the campaigns, for each of which there is a DAG: uses_spring and uses_summer."""
    found = {}
    for name, campaign in {"spring": spring, "summer": summer}.items():
        found[name] = f"ringcx://50810001/{campaign['campaignId']}"
        register_consumer(f"uses_{name}", f"[Asset({found[name]!r})]")
    triggered([])
    return found


def automatic_events(spring, summer, ids):
    def suppress(task_id, **arguments):
        return LeadActionOperator(task_id=task_id, lead_action="SUPPRESS_LEADS", **arguments)

    suppress("by_criteria", search_criteria={"campaignIds": [spring], "leadIds": ids})
    suppress("by_template", campaign="{{ 'Spring Renewals' }}", search_criteria={"leadIds": ids})
    suppress("two_campaigns", search_criteria={"campaignIds": [spring, summer], "leadStates": ["READY"]})
    suppress("dry_run", search_criteria={"campaignIds": [spring]}, dry_run=True)
    suppress("no_match", search_criteria={"campaignIds": [spring], "externIds": ["X-0"]})
    suppress("no_ids", search_criteria={"campaignIds": [spring], "externIds": []})
    suppress("unknown_campaign", search_criteria={"leadIds": ids})
    suppress("failure", search_criteria={"campaignIds": [spring]}, max_leads=1)
    suppress("failure_later", search_criteria={"campaignIds": [spring]}, post_execute=lambda **_: 1 / 0)
    EmailLeadsOperator(task_id="email", search_criteria={"campaignIds": [spring]}, email_to="a@example.com")
    LeadActionOperator(
        task_id="refresh", lead_action="DIALER_REFRESH", search_criteria={"campaignIds": [spring]}
    )


def test_only_tasks_that_changed_a_campaign_emit_events(uris, spring, summer, ids):
    run = run_tasks(automatic_events, spring=spring["campaignId"], summer=summer["campaignId"], ids=ids[:3])
    assert run.state("failure_later") == "failed"
    counts = {"leads_deleted": 0, "redials_deleted": 0}
    three = {"lead_action": "SUPPRESS_LEADS", "leads_updated": 3, **counts}
    updated = run.xcom("two_campaigns")["leads_updated"]
    both = {"lead_action": "SUPPRESS_LEADS", "leads_updated": updated, "campaigns": 2, **counts}
    assert [(event.task, event.uri, event.extra) for event in stored_events(run)] == [
        ("by_criteria", uris["spring"], three),
        ("by_template", uris["spring"], three),
        ("two_campaigns", uris["spring"], both),
        ("two_campaigns", uris["summer"], both),
    ]


def move(source, copy, on_duplicate):
    MoveLeadsOperator(
        task_id="move",
        source_campaign=source,
        target_campaign="Summer Win-Back",
        search_criteria={"leadStates": ["READY"]},
        copy=copy,
        on_duplicate=on_duplicate,
    )


@pytest.mark.parametrize("copy", [False, True, "TRANSITION"])
def test_move_emits_events_of_the_campaigns_it_changed(uris, spring, summer, copy):
    run = run_tasks(move, source="Spring Renewals", copy=copy, on_duplicate="MOVE")
    events = stored_events(run)
    changed = {uris["summer"]} if copy is True else {uris["spring"], uris["summer"]}
    assert {event.uri for event in events} == changed
    for event in events:
        assert event.extra == {
            "lead_action": "MOVE_TO_CAMPAIGN",
            "source_campaign_id": spring["campaignId"],
            "target_campaign_id": summer["campaignId"],
            "leads_updated": run.xcom("move")["leads_updated"],
            "leads_deleted": 0,
            "redials_deleted": 0,
        }


def loads(campaign, first, others):
    LoadLeadsOperator(task_id="dry_run", campaign=campaign, leads=others, dry_run=True)
    wrong = {"externId": "K-9", "leadPhone": "1"}
    LoadLeadsOperator(task_id="failed", campaign=campaign, leads=[*others, wrong], on_rejected="continue")
    load = LoadLeadsOperator(task_id="load", campaign=campaign, leads=[first])
    update = UpdateLeadsOperator(task_id="update", campaign=campaign, leads=[{**first, "city": "Denver"}])
    load >> update >> LoadLeadsOperator(task_id="skip", campaign=campaign, leads=[first], existing="skip")


def test_loads_that_changed_the_campaign_emit_events(uris, spring):
    first, *others = ({"externId": f"K-{n}", "leadPhone": f"617555{n:04}"} for n in range(3))
    run = run_tasks(loads, campaign=spring["campaignId"], first=first, others=others)
    assert run.states() == {
        **dict.fromkeys(["dry_run", "load", "update", "skip"], "success"),
        "failed": "failed",
    }
    assert run.xcom("failed")["leads_inserted"] == 2
    assert [(event.task, event.uri, event.extra) for event in stored_events(run)] == [
        ("load", uris["spring"], {"leads_inserted": 1, "leads_updated": 0}),
        ("update", uris["spring"], {"leads_inserted": 0, "leads_updated": 1}),
    ]


def suppress_spring(campaign, outlets):
    LeadActionOperator(
        task_id="suppress",
        lead_action="SUPPRESS_LEADS",
        search_criteria={"campaignIds": [campaign], "leadStates": ["READY"]},
        outlets=eval(outlets),
    )


def test_event_triggers_dags_scheduled_on_the_campaign(uris, spring):
    run_tasks(suppress_spring, campaign=spring["campaignId"], outlets="[]")
    assert triggered(["uses_spring", "uses_summer"]) == {"uses_spring"}


def suppress_by_name(campaign):
    LeadActionOperator(
        task_id="suppress",
        lead_action="SUPPRESS_LEADS",
        campaign=campaign,
        search_criteria={"leadStates": ["READY"]},
    )


@pytest.mark.skipif(IS_2, reason="datasets have no name")
def test_declared_asset_may_have_a_name_of_its_own(ringcx_sandbox):
    campaign = ringcx_sandbox.campaign("Free Trials")["campaignId"]
    asset = f"[Asset(name='trials', uri='ringcx://50810001/{campaign}')]"
    register_consumer("uses_named", asset)
    run = run_tasks(suppress_spring, campaign=campaign, outlets=asset)
    (event,) = stored_events(run)
    assert event.name == "trials"
    assert event.extra["leads_updated"] > 0
    assert triggered(["uses_named"]) == {"uses_named"}


@pytest.mark.skipif(IS_2, reason="datasets have no name")
def test_event_finds_an_asset_with_a_separate_name(ringcx_sandbox):
    campaign = ringcx_sandbox.campaign("Welcome Calls")["campaignId"]
    register_consumer("uses_named", f"[Asset(name='welcome', uri='ringcx://50810001/{campaign}')]")
    run = run_tasks(suppress_by_name, campaign="Welcome Calls")
    assert [event.name for event in stored_events(run)] == ["welcome"]
    assert triggered(["uses_named"]) == {"uses_named"}


def test_no_event_of_a_campaign_that_no_dag_refers_to(ringcx_sandbox):
    run = run_tasks(suppress_by_name, campaign="Expiring Cards")
    assert run.state("suppress") == "success"
    assert stored_events(run) == []


def test_extra_is_put_on_a_declared_asset(uris, spring):
    outlets = f"[Asset({uris['spring']!r}), Asset('other')]"
    register_consumer("declares", outlets)
    run = run_tasks(suppress_spring, campaign=spring["campaignId"], outlets=outlets)
    events = {event.uri: event.extra for event in stored_events(run)}
    assert len(stored_events(run)) == len(events)
    assert events[uris["spring"]]["leads_updated"] == run.xcom("suppress")["leads_updated"] > 0
    assert events["other"] == {}


def test_event_goes_through_a_declared_alias(uris, spring):
    register_consumer("uses_alias", "AssetAlias('changed-campaigns')")
    run = run_tasks(
        suppress_spring, campaign=spring["campaignId"], outlets="[AssetAlias('changed-campaigns')]"
    )
    (event,) = stored_events(run)
    assert event.uri == uris["spring"]
    assert event.extra["leads_updated"] == run.xcom("suppress")["leads_updated"]
    assert triggered(["uses_alias", "uses_spring"]) == {"uses_alias", "uses_spring"}


def mapped_tasks(ids):
    LeadActionOperator.partial(
        task_id="suppress", lead_action="SUPPRESS_LEADS", campaign="Spring Renewals"
    ).expand(search_criteria=[{"leadIds": ids[:1]}, {"leadIds": ids[1:3]}, {"leadIds": [1]}])


def test_each_mapped_task_emits_its_own_event(uris, ids):
    run = run_tasks(mapped_tasks, ids=ids)
    assert [(event.task, event.uri, event.extra["leads_updated"]) for event in stored_events(run)] == [
        ("suppress[0]", uris["spring"], 1),
        ("suppress[1]", uris["spring"], 2),
    ]


def retried(ids):
    def fail_first(context, result):
        if context["ti"].try_number == 1:
            raise RuntimeError("first attempt")

    LeadActionOperator(
        task_id="suppress",
        lead_action="SUPPRESS_LEADS",
        campaign="Spring Renewals",
        search_criteria={"leadIds": ids},
        retries=1,
        post_execute=fail_first,
    )


def test_retried_task_emits_one_event(uris, ids):
    run = run_tasks(retried, ids=ids[:2])
    assert run.attempts("suppress") == 2
    (event,) = stored_events(run)
    assert event.extra["leads_updated"] == 2


@pytest.mark.skipif(not IS_2, reason="tested with a scheduler: tests/integration/test_asset_scheduling.py")
def test_assets_that_triggered_a_run_are_read_from_the_database(uris, ids):
    from airflow.models.dagrun import DagRun
    from airflow.models.dataset import DatasetEvent
    from airflow.utils.session import create_session

    dag_run = run_tasks(retried, ids=ids[:1]).dag_run
    context = {"ti": dag_run}
    assert triggering_assets(context) == set()
    with create_session() as session:
        run = session.get(DagRun, dag_run.id)
        run.consumed_dataset_events = [session.query(DatasetEvent).order_by(DatasetEvent.id.desc()).first()]
    assert triggering_assets(context) == {uris["spring"]}
