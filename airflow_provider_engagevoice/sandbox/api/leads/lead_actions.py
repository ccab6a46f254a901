"""Handler of the lead actions endpoint."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.spec.lead_actions import ACTIONS, Action
from airflow_provider_engagevoice.sandbox.api.leads.action_context import ActionContext, ActionOutcome
from airflow_provider_engagevoice.sandbox.api.leads.action_handlers import (
    ACTION_HANDLERS,
    action_failure,
    action_result,
)
from airflow_provider_engagevoice.sandbox.api.leads.parameters import ActionRejected, parse_parameters
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition, build_condition
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


def lead_action(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT campaignLeads/actions``: run a lead action in one transaction.

    A rejected action is 200 with ``success: false`` (assumed), or 400 with the setting ``strict_params``.
    """
    action = _action(request)
    body = request.json_object()
    criteria = body.get("campaignLeadSearchCriteria")
    condition = build_condition(criteria, request.path_params["account"], sandbox.settings)
    raw_params = _nested_object(_nested_object(body, "leadActionParams"), "paramMap")
    try:
        outcome = _run_action(sandbox, request, action, condition, raw_params, _names_extern_ids(criteria))
    except ActionRejected as error:
        if sandbox.settings.strict_params:
            raise validation_error([InvalidValue(error.parameter, error.problem)]) from error
        return json_response(action_failure(action.name, str(error)))
    return json_response(action_result(action.name, outcome))


def _run_action(
    sandbox: SandboxState,
    request: ApiRequest,
    action: Action,
    condition: Condition,
    raw_params: dict[str, object],
    by_extern_ids: bool,
) -> ActionOutcome:
    """Run one action in one transaction."""
    params = parse_parameters(action, raw_params)
    with sandbox.store.changing() as connection:
        now = sandbox.clock.milliseconds()
        context = ActionContext(
            connection, request.path_params["account"], params, now, sandbox.settings, by_extern_ids
        )
        context.match(condition)
        return ACTION_HANDLERS[action.name](context)


def _names_extern_ids(criteria: object) -> bool:
    """Return whether valid criteria filter by external ids."""
    return isinstance(criteria, dict) and bool(criteria.get("externIds"))


def _action(request: ApiRequest) -> Action:
    """Parse the action; an unknown, lower-case or missing name is 400 (assumed)."""
    name = request.query.get("leadAction", "")
    if name not in ACTIONS:
        problem = f"must be one of {', '.join(ACTIONS)}"
        raise validation_error([InvalidValue.of("leadAction", problem, name)])
    return ACTIONS[name]


def _nested_object(parent: dict[str, object], name: str) -> dict[str, object]:
    """Return a nested object; missing or null means empty (observed)."""
    value = parent.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise validation_error([InvalidValue(name, "must be an object")])
    return value
