"""At-most-once actions in DAG runs: copies, mails and moves whose responses are lost or delayed."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown
from airflow_provider_engagevoice.ringcx.transport import http
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.dag_runs import run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

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
    MoveLeadsOperator(
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
    EmailLeadsOperator(
        task_id="mail",
        search_criteria={"campaignIds": [campaign]},
        email_to="a@example.com",
        retries=1,
        execution_timeout=timedelta(seconds=3),
    )


def test_mail_is_sent_once_if_task_times_out(ringcx_sandbox, logged):
    """The request in flight is awaited, so the retry knows that the mail was sent."""
    ringcx_sandbox.fault("slow", delay=4, when="after", operation="lead_action")
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    run = run_tasks(mail_with_timeout, campaign=campaign)
    assert (run.states(), run.attempts("mail")) == ({"mail": "success"}, 2)
    assert count_actions(ringcx_sandbox) == 1
    assert "resuming; a previous attempt completed 1 of 1 chunks" in logged()


def mail_from_taskflow(guarded):
    @task(retries=1)
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
