"""Search of leads, and actions on them."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.actions import ACTIONS, Action
from airflow_provider_engagevoice.ringcx.vocabulary import LEAD_STATES, SYSTEM_DISPOSITIONS
from airflow_provider_engagevoice.sandbox.calls import Call, answer
from airflow_provider_engagevoice.sandbox.effects import EFFECTS, failure_of, result_of
from airflow_provider_engagevoice.sandbox.errors import Invalid, Refusal
from airflow_provider_engagevoice.sandbox.jobs import Job, Outcome
from airflow_provider_engagevoice.sandbox.paging import page_of
from airflow_provider_engagevoice.sandbox.parameters import ActionRefused, read_parameters
from airflow_provider_engagevoice.sandbox.rows import count_leads, find_leads
from airflow_provider_engagevoice.sandbox.search import Condition, conditions_of
from airflow_provider_engagevoice.sandbox.service import Service
from airflow_provider_engagevoice.sandbox.values import read_boolean


def lead_states(service: Service, call: Call) -> Response:
    """``GET campaignLeads/leadStates``."""
    return answer(LEAD_STATES)


def system_dispositions(service: Service, call: Call) -> Response:
    """``GET campaignLeads/systemDispositions``."""
    return answer(SYSTEM_DISPOSITIONS)


def lead_search(service: Service, call: Call) -> Response:
    """``POST campaignLeads/leadSearch``: a bare array of rows (observed).

    With ``count=true`` it is a bare number (assumed), whatever page is asked for.
    ``page`` and ``maxRows`` count in the query only; in the body they are ignored (observed).
    """
    counting = _flag(call, "count")
    condition = _condition(service, call, _json_object(call))
    if counting:
        with service.store.reading() as connection:
            return answer(count_leads(connection, condition))
    page = page_of(call, service.settings)
    with service.store.reading() as connection:
        rows = find_leads(connection, condition, page.limit, page.offset)
    return answer(rows)


def lead_action(service: Service, call: Call) -> Response:
    """``PUT campaignLeads/actions``: one transaction. What the action refuses is 200 with success false."""
    action = _action(call)
    body = _json_object(call)
    condition = _condition(service, call, body.get("campaignLeadSearchCriteria"))
    given = _object_in(_object_in(body, "leadActionParams"), "paramMap")
    try:
        outcome = _carry_out(service, call.captured["account"], action, condition, given)
    except ActionRefused as refusal:
        return answer(failure_of(action.name, str(refusal)))
    return answer(result_of(action.name, outcome))


def _carry_out(
    service: Service, account: str, action: Action, condition: Condition, given: dict[str, object]
) -> Outcome:
    """Carry out one action, whole or not at all."""
    params = read_parameters(action, given)
    with service.store.changing() as connection:
        now, strict = service.clock.milliseconds(), service.settings.strict_reservation
        job = Job(connection, account, params, now, strict)
        job.match(condition)
        return EFFECTS[action.name](job)


def _condition(service: Service, call: Call, criteria: object) -> Condition:
    """Read search criteria."""
    return conditions_of(criteria, call.captured["account"], service.settings.honour_campaign_id)


def _action(call: Call) -> Action:
    """Read the action; an unknown, lower-case or missing one is 400 (assumed)."""
    name = call.query.get("leadAction", "")
    if name not in ACTIONS:
        problem = f"leadAction must be one of {', '.join(ACTIONS)}"
        raise Refusal(400, problem, [Invalid("leadAction", problem, name[:100])])
    return ACTIONS[name]


def _flag(call: Call, name: str) -> bool:
    """Read a switch of the query; missing is false."""
    text = call.query.get(name, "")
    try:
        return read_boolean(text) if text else False
    except ValueError as error:
        raise Refusal(400, f"{name} {error}", [Invalid(name, str(error), text[:100])]) from error


def _json_object(call: Call) -> dict[str, object]:
    """Read the body, which must be a JSON object."""
    value = call.json()
    if not isinstance(value, dict):
        raise Refusal(400, "The request body must be a JSON object")
    return value


def _object_in(parent: dict[str, object], name: str) -> dict[str, object]:
    """Read an object inside another one; missing or null is empty (observed)."""
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, f"{name} must be an object", [Invalid(name, "must be an object")])
    return value
