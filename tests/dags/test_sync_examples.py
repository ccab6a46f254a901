"""The example DAGs that keep a campaign in step, in real Airflow."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.dags.test_example_dags import EXAMPLES, run_example
from tests.support.dag_runs import dag_file, run_dag_file
from tests.support.loading import crm_row, crm_rows, write_csv

pytestmark = pytest.mark.usefixtures("airflow_db")

#: A person who answers at once, instead of an operator that waits for one.
ANSWER = """
class Answered(ApprovalOperator):
    def execute(self, context):
        assert self.body.startswith("**Spring Renewals**"), self.body
        event = {"chosen_options": [%r], "params_input": {}, "responded_by_user": None}
        return self.execute_complete(context, {**event, "responded_at": datetime(2026, 1, 1)})


ApprovalOperator = Answered

"""


def keys_of(ringcx: Any) -> list[str]:
    return sorted(
        str(lead["externId"])
        for lead in ringcx.leads("Spring Renewals")
        if str(lead["externId"]).startswith("K-") and not lead["suppressed"]
    )


@pytest.fixture
def params(tmp_path):
    """Return a function that writes rows to the file of the examples and returns their parameters."""

    def write(rows: list[dict[str, Any]], **params: Any) -> dict[str, Any]:
        return {"source": write_csv(tmp_path / "crm.csv", rows), "plans": str(tmp_path / "plans"), **params}

    return write


def test_automatic_sync_follows_the_file_and_asks_for_more(ringcx_sandbox, params, logged):
    named = [{**row, "firstName": "Ann", "lastName": "Bee"} for row in crm_rows(30)]
    assert run_example("sync_automatic", **params(named)).states() == {"sync": "success"}
    assert len(keys_of(ringcx_sandbox)) == 30
    changed = [*named[:29], crm_row(29, firstName="Cis", lastName="Bee")]
    assert run_example("sync_automatic", **params(changed)).xcom("sync")["leads_updated"] == 1

    assert run_example("sync_automatic", **params(changed[:4])).states() == {"sync": "failed"}
    assert len(keys_of(ringcx_sandbox)) == 30
    fingerprint = re.findall(r'approve="([A-Z2-7]{4}-[A-Z2-7]{4})"', logged())[-1]
    approved = run_example("sync_automatic", **params(changed[:4], approve=fingerprint))
    assert approved.xcom("sync")["leads_removed"] == 26
    assert len(keys_of(ringcx_sandbox)) == 4


@pytest.mark.parametrize(("answer", "loaded"), [("Approve", 3), ("Reject", 0)])
@pytest.mark.parametrize("limit", [0, 20])
def test_plan_is_applied_if_a_person_approves_it(ringcx_sandbox, params, answer, loaded, limit):
    pytest.importorskip("airflow.providers.standard.operators.hitl")
    source = (EXAMPLES / "sync_with_approval.py").read_text()
    source = source.replace("# The fingerprint of", ANSWER % answer + "# The fingerprint of")
    source = source.replace("on_unsafe=", f"max_loads={limit}, on_unsafe=")
    with dag_file("sync_with_approval.py", source) as path:
        run = run_dag_file(path, run_conf=params(crm_rows(3)))
    assert run.states() == {"plan": "success", "ask": "success", "apply": "success" if loaded else "skipped"}
    assert len(keys_of(ringcx_sandbox)) == loaded


def test_plan_is_approved_with_its_fingerprint_before_airflow_3_1(ringcx_sandbox, params):
    source = (EXAMPLES / "sync_with_approval.py").read_text()
    source = source.replace("# The fingerprint of", "ApprovalOperator = None\n# The fingerprint of")
    with dag_file("sync_with_approval.py", source) as path:
        first = run_dag_file(path, run_conf=params(crm_rows(3)))
        assert first.states() == {"plan": "success", "is_approved": "success", "apply": "skipped"}
        fingerprint = first.xcom("plan")["fingerprint"]
        second = run_dag_file(path, run_conf=params(crm_rows(3), approve=fingerprint))
    assert set(second.states().values()) == {"success"}
    assert len(keys_of(ringcx_sandbox)) == 3


def test_adoption_applies_what_was_looked_at(ringcx_sandbox, params):
    leads = [lead for lead in ringcx_sandbox.leads("Spring Renewals") if not lead["suppressed"]]
    ready = [lead for lead in leads if lead["leadState"] == "READY"]
    rows = [{"externId": lead["externId"], "leadPhone": "6175550000"} for lead in leads[: len(leads) // 2]]
    rows += crm_rows(2)
    first = run_example("sync_adoption", **params(rows, on_surplus="suppress"))
    assert first.states() == {"plan": "success", "is_approved": "success", "apply": "skipped"}
    plan = first.xcom("plan")
    assert plan["counts"]["managed"] == len(ringcx_sandbox.leads("Spring Renewals"))
    second = run_example("sync_adoption", **params(rows, on_surplus="suppress", approve=plan["fingerprint"]))
    assert second.states() == {"plan": "success", "is_approved": "success", "apply": "success"}
    kept = {row["externId"] for row in rows}
    after = {
        lead["externId"]: lead["suppressed"]
        for lead in ringcx_sandbox.leads("Spring Renewals")
        if lead["externId"] in kept or lead["externId"] in {each["externId"] for each in ready}
    }
    assert {key for key, suppressed in after.items() if not suppressed} == kept & after.keys()
    assert keys_of(ringcx_sandbox) == ["K-0", "K-1"]
