"""Takes requests for lead actions, and answers them."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS, Action
from airflow_provider_engagevoice.sandbox.api.leads.action_context import Job, Outcome
from airflow_provider_engagevoice.sandbox.api.leads.action_handlers import EFFECTS, failure_of, result_of
from airflow_provider_engagevoice.sandbox.api.leads.parameters import ActionRefused, read_parameters
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition, conditions_of
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, refused_values
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


def lead_action(service: Service, call: Call) -> Response:
    """``PUT campaignLeads/actions``: one transaction.

    What the action refuses is 200 with success false (assumed), or 400 where the sandbox is told so.
    """
    action = _action(call)
    body = call.json_object()
    criteria = body.get("campaignLeadSearchCriteria")
    condition = conditions_of(criteria, call.captured["account"], service.settings)
    given = _object_in(_object_in(body, "leadActionParams"), "paramMap")
    try:
        outcome = _carry_out(service, call, action, condition, given, _names_extern_ids(criteria))
    except ActionRefused as refusal:
        if service.settings.strict_params:
            raise refused_values([Invalid(refusal.parameter, refusal.problem)]) from refusal
        return answer(failure_of(action.name, str(refusal)))
    return answer(result_of(action.name, outcome))


def _carry_out(
    service: Service,
    call: Call,
    action: Action,
    condition: Condition,
    given: dict[str, object],
    by_extern_ids: bool,
) -> Outcome:
    """Carry out one action, whole or not at all."""
    params = read_parameters(action, given)
    with service.store.changing() as connection:
        now = service.clock.milliseconds()
        job = Job(connection, call.captured["account"], params, now, service.settings, by_extern_ids)
        job.match(condition)
        return EFFECTS[action.name](job)


def _names_extern_ids(criteria: object) -> bool:
    """Tell whether criteria, which are good, filter by external ids."""
    return isinstance(criteria, dict) and bool(criteria.get("externIds"))


def _action(call: Call) -> Action:
    """Read the action; an unknown, lower-case or missing one is 400 (assumed)."""
    name = call.query.get("leadAction", "")
    if name not in ACTIONS:
        problem = f"must be one of {', '.join(ACTIONS)}"
        raise refused_values([Invalid.of("leadAction", problem, name)])
    return ACTIONS[name]


def _object_in(parent: dict[str, object], name: str) -> dict[str, object]:
    """Read an object inside another one; missing or null is empty (observed)."""
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refused_values([Invalid(name, "must be an object")])
    return value
