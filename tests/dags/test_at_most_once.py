"""At-most-once actions in DAG runs: copies, mails and moves whose responses are lost or delayed."""

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
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_INITIAL_BACKOFF", 0.001)


def count_actions(sandbox: SandboxServer) -> int:
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


def test_retry_after_unreadable_list_does_not_repeat_copy(ringcx_sandbox, logged):
    ringcx_sandbox.fault("status", status=503, operation="lists", skip=1, times=5)
    run = run_tasks(copy_leads)
    # The checkpoint says that the copy was made, so the retry only looks up its list.
    assert run.states() == {"copy": "success"}
    assert run.attempts("copy") == 2
    assert count_actions(ringcx_sandbox) == 1
    assert run.xcom("copy")["list_id"] is not None


def mail_with_timeout(campaign):
    EmailLeadsOperator(  # noqa: F821
        task_id="mail",
        search_criteria={"campaignIds": [campaign]},
        email_to="a@example.com",
        retries=1,
        execution_timeout=timedelta(seconds=3),  # noqa: F821
    )


def test_mail_is_sent_once_if_task_times_out(ringcx_sandbox, logged):
    ringcx_sandbox.fault("slow", delay=4, when="after", operation="lead_action")
    try:
        run_tasks(mail_with_timeout, campaign=ringcx_sandbox.campaign("Spring Renewals")["campaignId"])
    finally:
        assert count_actions(ringcx_sandbox) <= 1
    assert "may have been applied and is not safe to retry" in logged()


def mail_from_taskflow(guarded):
    @task(retries=1)  # noqa: F821
    def mail(guarded):
        from contextlib import nullcontext

        from airflow_provider_engagevoice.hooks.engagevoice import no_retry_on_permanent_errors

        with no_retry_on_permanent_errors() if guarded else nullcontext():
            EngageVoiceHook().perform_lead_action(
                "EMAIL_LEADS", {"campaignIds": [248549]}, {"EMAIL_TO": "a@example.com"}
            )

    mail(guarded)


def test_custom_task_fails_without_retry_if_guarded(ringcx_sandbox):
    ringcx_sandbox.fault("drop", when="after", operation="lead_action")
    run = run_tasks(mail_from_taskflow, guarded=True)
    assert run.states() == {"mail": "failed"}
    assert len(ringcx_sandbox.outbox) == 1


def test_lost_move_ignores_older_list_with_same_name(ringcx_sandbox):
    hook, other_hook = EngageVoiceHook(), EngageVoiceHook()
    spring = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    params = {**MOVE, "CAMPAIGN_ID": ringcx_sandbox.campaign("Summer Win-Back")["campaignId"]}
    hook.perform_lead_action("MOVE_TO_CAMPAIGN", {"campaignIds": [spring], "leadStates": ["READY"]}, params)
    paused = {"campaignIds": [spring], "leadStates": ["PAUSED"]}
    assert hook.count_leads(paused) > 0

    def cancel():
        other_hook.perform_lead_action("CANCEL_LEADS", paused)

    ringcx_sandbox.fault("meanwhile", work=cancel, operation="lead_action")
    ringcx_sandbox.fault("drop", operation="lead_action")
    with pytest.raises(OutcomeUnknown, match="0 in the new list"):
        hook.perform_lead_action("MOVE_TO_CAMPAIGN", paused, params)


def moves_with_unusual_arguments():
    @task  # noqa: F821
    def batch():
        return 2026

    source = CampaignLookupSensor(task_id="source", campaign_name="Spring Renewals")  # noqa: F821
    target = CampaignLookupSensor(task_id="target", campaign_name="Summer Win-Back")  # noqa: F821
    to_new_list = MoveLeadsOperator(  # noqa: F821
        task_id="number_as_list_name",
        source_campaign=source.output,
        target_campaign=target.output,
        new_list_name=batch(),
        search_criteria={"leadStates": ["READY"]},
    )
    to_existing_list = MoveLeadsOperator(  # noqa: F821
        task_id="list_name_of_digits",
        source_campaign=source.output,
        target_campaign=target.output,
        target_list="2026",
        search_criteria={"leadStates": ["PAUSED"]},
    )
    wrong_list = MoveLeadsOperator(  # noqa: F821
        task_id="wrong_list",
        source_campaign=source.output,
        target_campaign=target.output,
        target_list=target.output,
        search_criteria={},
    )
    wrong_campaign = MoveLeadsOperator(  # noqa: F821
        task_id="wrong_campaign",
        source_campaign=source.output,
        target_campaign=["Summer Win-Back"],
        search_criteria={},
        retries=1,
    )
    to_new_list >> to_existing_list >> [wrong_list, wrong_campaign]


def test_move_accepts_names_of_digits_and_sensor_results(ringcx_sandbox, logged):
    run = run_tasks(moves_with_unusual_arguments)
    states = run.states()
    assert states.pop("wrong_campaign") == "failed"
    assert states.pop("wrong_list") == "failed"
    assert set(states.values()) == {"success"}
    first, second = run.xcom("number_as_list_name"), run.xcom("list_name_of_digits")
    assert first["list_name"] == "2026"
    assert first["list_id"] == second["list_id"] is not None
    listed = [lead for lead in ringcx_sandbox.leads("Summer Win-Back") if lead["listId"] == first["list_id"]]
    assert len(listed) == first["leads_updated"] + second["leads_updated"]
    assert run.attempts("wrong_campaign") == 1
    text = logged()
    assert "target_campaign must be a name or an id, not a list" in text
    assert "target_list must be a name or an id, not a dict" in text


def test_move_logs_criteria_result_and_target(ringcx_sandbox, logged):
    run_tasks(moves_with_unusual_arguments)
    text = logged()
    assert "leadStates READY" in text
    assert "leads updated, 0 deleted, in 1 requests" in text
    assert "Target: list '2026'" in text
    assert "Found campaign 'Spring Renewals': id " in text


def wait_for_misspelt_name():
    CampaignLookupSensor(  # noqa: F821
        task_id="wait", campaign_name="Spring Renewal", poke_interval=0.01, timeout=0.05
    )


def test_sensor_logs_nearest_names_while_waiting(ringcx_sandbox, logged):
    run_tasks(wait_for_misspelt_name)
    assert "the nearest names are 'Spring Renewals'" in logged()
