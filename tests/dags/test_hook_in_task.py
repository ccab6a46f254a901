"""Actions of the hook in a ``@task``: Airflow's retry of the task repeats nothing."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import lead_passes
from tests.support.clients import PARAMS
from tests.support.dag_runs import dag_file, run_dag_file, run_tasks

# run_tasks defines the names that functions which build DAGs use.
# ruff: noqa: F821
# mypy: disable-error-code="name-defined"

MANUAL = PARAMS["MANUAL_LEADS"]

pytestmark = pytest.mark.usefixtures("airflow_db")


@pytest.fixture
def ids(ringcx_sandbox: SandboxServer) -> list[int]:
    """Six leads that an action can be applied to."""
    leads = ringcx_sandbox.leads("Spring Renewals")
    return [lead["leadId"] for lead in leads if lead["leadState"] == "READY"][:6]


@pytest.fixture
def added_passes(ringcx_sandbox: SandboxServer, ids: list[int]):
    """Return a function that returns how often ``MANUAL_LEADS`` was applied to each lead."""
    before = lead_passes(ringcx_sandbox)

    def added() -> list[int]:
        now = lead_passes(ringcx_sandbox)
        return [now[lead_id] - before[lead_id] for lead_id in ids]

    return added


def task_that_fails_afterwards(ids, settings):
    @task(retries=1)
    def act(ids, settings, ti=None):
        results = [
            EngageVoiceHook().perform_lead_action("MANUAL_LEADS", {"leadIds": chosen}, settings)
            for chosen in (ids[:3], ids[3:])
        ]
        if ti.try_number == 1:
            raise ValueError("the task's own code fails")
        return sum(result["leads_updated"] for result in results)

    act(ids, settings)


def test_task_that_fails_after_its_actions_repeats_none(ringcx_sandbox, ids, added_passes):
    run = run_tasks(task_that_fails_afterwards, ids=ids, settings=MANUAL)
    assert run.states() == {"act": "success"}
    assert run.attempts("act") == 2
    assert run.xcom("act") == 6
    assert added_passes() == [1] * 6


def task_with_time_limit(ids, settings):
    @task(retries=1, execution_timeout=timedelta(seconds=3))
    def act(ids, settings):
        EngageVoiceHook().perform_lead_action(
            "MANUAL_LEADS",
            {"leadIds": ids},
            settings,
            chunk_size=2,
        )

    act(ids, settings)


def test_task_that_times_out_repeats_no_chunk(ringcx_sandbox, ids, added_passes, logged):
    ringcx_sandbox.fault("slow", delay=4, when="after", operation="lead_action", at=[2])
    run = run_tasks(task_with_time_limit, ids=ids, settings=MANUAL)
    assert (run.states(), run.attempts("act")) == ({"act": "success"}, 2)
    assert added_passes() == [1] * 6


def task_with_changed_parameter(ids, settings):
    @task(retries=1)
    def act(ids, settings, ti=None):
        EngageVoiceHook().perform_lead_action(
            "MANUAL_LEADS",
            {"leadIds": ids},
            {**settings, "PASS_DELAY": ti.try_number},
            chunk_size=2,
        )

    act(ids, settings)


def test_task_with_a_parameter_of_the_current_time_repeats_nothing(ringcx_sandbox, ids, added_passes, logged):
    ringcx_sandbox.fault("rate_limited", retry_after=600.0, operation="lead_action", at=[2])
    run = run_tasks(task_with_changed_parameter, ids=ids, settings=MANUAL)
    assert run.states() == {"act": "failed"}
    assert "the parameters changed after a previous attempt of MANUAL_LEADS" in logged()
    assert max(added_passes()) == 1


MAILS = """
from datetime import datetime
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow.models.dag import DAG
from airflow_provider_engagevoice.operators.leads import EmailLeadsOperator

with DAG("run_again", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    EmailLeadsOperator(task_id="mail", search_criteria={"campaignIds": [CAMPAIGN]}, email_to="a@example.com")
"""


def test_run_that_is_deleted_and_started_again_acts_again(ringcx_sandbox):
    """The second run has the same name and the same numbers of attempts as the first one."""
    campaign = ringcx_sandbox.campaign("Spring Renewals")["campaignId"]
    with dag_file("run_again.py", MAILS.replace("CAMPAIGN", str(campaign))) as path:
        for _ in range(2):
            run = run_dag_file(path, logical_date=datetime(2026, 5, 1, tzinfo=timezone.utc))
            assert run.states() == {"mail": "success"}
    assert len(ringcx_sandbox.outbox) == 2
