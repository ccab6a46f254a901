"""What must not be done twice is not, whatever happens to the answer; and what was done is reported."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.dag_runs import run_tasks

pytestmark = pytest.mark.usefixtures("airflow_db")

ACTIONS = "/campaignLeads/actions"
MOVE = {
    "LIST_ID": 0,
    "LIST_NAME": "From Spring Renewals",
    "CREATE_COPY_SETTING": "false",
    "DUPLICATE_ACTION_SETTING": "MOVE",
}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


def acts(sandbox: SandboxServer) -> int:
    return sum(request.path.endswith(ACTIONS) for request in sandbox.requests)


def copy_leads():
    MoveLeadsOperator(  # noqa: F821
        task_id="copy",
        source_campaign="Spring Renewals",
        target_campaign="Summer Win-Back",
        new_list_name="Copies",
        search_criteria={},
        copy=True,
        retries=1,
    )


def test_a_copy_is_made_once_even_where_its_list_cannot_be_read_afterwards(ringcx_sandbox, logged):
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=1, times=5)
    run = run_tasks(copy_leads)
    # The retry finds the copy noted as made, so that only its list is left to be looked up.
    assert run.states() == {"copy": "success"}
    assert run.attempts("copy") == 2
    assert acts(ringcx_sandbox) == 1
    assert run.xcom("copy")["list_id"] is not None


def mail_in_time(campaign):
    EmailLeadsOperator(  # noqa: F821
        task_id="mail",
        search_criteria={"campaignIds": [campaign]},
        email_to="a@example.com",
        retries=1,
        execution_timeout=timedelta(seconds=3),  # noqa: F821
    )


def test_a_mail_goes_out_once_even_where_the_task_times_out_meanwhile(ringcx_sandbox, logged):
    ringcx_sandbox.fault("slow", delay=4, when="after", operation="lead_action")
    try:
        run_tasks(mail_in_time, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    finally:
        assert acts(ringcx_sandbox) <= 1
    assert "must not be sent twice" in logged()


def mail_from_a_task(guarded):
    @task(retries=1)  # noqa: F821
    def mail(guarded):
        from contextlib import nullcontext

        from airflow_provider_engagevoice.hooks.engagevoice import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors() if guarded else nullcontext():
            EngageVoiceHook().perform_lead_action(
                "EMAIL_LEADS", {"campaignIds": [248549]}, {"EMAIL_TO": "a@example.com"}
            )

    mail(guarded)


def test_a_task_of_ones_own_can_fail_without_retry(ringcx_sandbox):
    ringcx_sandbox.fault("drop", when="after", operation="lead_action")
    run = run_tasks(mail_from_a_task, guarded=True)
    assert run.states() == {"mail": "failed"}
    assert len(ringcx_sandbox.outbox) == 1


def test_a_lost_move_is_not_taken_for_done_because_of_an_older_list_of_its_name(ringcx_sandbox):
    hook, other = EngageVoiceHook(), EngageVoiceHook()
    spring = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    params = {**MOVE, "CAMPAIGN_ID": ringcx_sandbox.campaign("Summer Win-Back")["campaignId"]}
    hook.perform_lead_action("MOVE_TO_CAMPAIGN", {"campaignIds": [spring], "leadStates": ["READY"]}, params)
    paused = {"campaignIds": [spring], "leadStates": ["PAUSED"]}
    assert hook.count_leads(paused) > 0

    def cancel():
        other.perform_lead_action("CANCEL_LEADS", paused)

    ringcx_sandbox.fault("meanwhile", work=cancel, operation="lead_action")
    ringcx_sandbox.fault("drop", operation="lead_action")
    with pytest.raises(OutcomeUnknown, match="0 in the new list"):
        hook.perform_lead_action("MOVE_TO_CAMPAIGN", paused, params)


def moves_by_odd_names():
    @task  # noqa: F821
    def batch():
        return 2026

    source = CampaignLookupSensor(task_id="source", campaign_name="Spring Renewals")  # noqa: F821
    target = CampaignLookupSensor(task_id="target", campaign_name="Summer Win-Back")  # noqa: F821
    whole = MoveLeadsOperator(  # noqa: F821
        task_id="number_as_name",
        source_campaign=source.output,
        target_campaign=target.output,
        new_list_name=batch(),
        search_criteria={"leadStates": ["READY"]},
    )
    again = MoveLeadsOperator(  # noqa: F821
        task_id="list_named_by_digits",
        source_campaign=source.output,
        target_campaign=target.output,
        target_list="2026",
        search_criteria={"leadStates": ["PAUSED"]},
    )
    no_list = MoveLeadsOperator(  # noqa: F821
        task_id="no_list",
        source_campaign=source.output,
        target_campaign=target.output,
        target_list=target.output,
        search_criteria={},
    )
    wrong = MoveLeadsOperator(  # noqa: F821
        task_id="no_campaign",
        source_campaign=source.output,
        target_campaign=["Summer Win-Back"],
        search_criteria={},
        retries=1,
    )
    whole >> again >> [no_list, wrong]


def test_names_made_of_digits_and_whole_campaigns_are_understood(ringcx_sandbox, logged):
    run = run_tasks(moves_by_odd_names)
    states = run.states()
    assert states.pop("no_campaign") == "failed"
    assert states.pop("no_list") == "failed"
    assert set(states.values()) == {"success"}
    moved, more = run.xcom("number_as_name"), run.xcom("list_named_by_digits")
    assert moved["list_name"] == "2026"
    assert moved["list_id"] == more["list_id"] is not None
    listed = [lead for lead in ringcx_sandbox.leads("Summer Win-Back") if lead["listId"] == moved["list_id"]]
    assert len(listed) == moved["leads_updated"] + more["leads_updated"]
    assert run.attempts("no_campaign") == 1
    text = logged()
    assert "target_campaign must be a name or an id, not a list" in text
    assert "target_list must be a name or an id, not a dict" in text


def test_the_log_says_what_was_done(ringcx_sandbox, logged):
    run_tasks(moves_by_odd_names)
    text = logged()
    assert "leadStates READY" in text
    assert "leads updated, 0 deleted, in 1 requests" in text
    assert "Target: list '2026'" in text
    assert "Found campaign 'Spring Renewals': id " in text


def waits_for_a_misspelt_name():
    CampaignLookupSensor(  # noqa: F821
        task_id="wait", campaign_name="Spring Renewal", poke_interval=0.01, timeout=0.05
    )


def test_a_misspelt_campaign_name_is_answered_with_the_nearest_while_the_sensor_waits(ringcx_sandbox, logged):
    run_tasks(waits_for_a_misspelt_name)
    assert "the nearest names are 'Spring Renewals'" in logged()
