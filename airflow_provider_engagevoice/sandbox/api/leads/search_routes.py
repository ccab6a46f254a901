"""Handlers of lead search and of the enumerations it accepts."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES, SYSTEM_DISPOSITIONS
from airflow_provider_engagevoice.sandbox.api.admin.records import query_flag
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition, build_condition
from airflow_provider_engagevoice.sandbox.api.leads.serializers import count_leads, find_leads
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.pagination import parse_page
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState


def lead_states(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET campaignLeads/leadStates``."""
    return json_response(LEAD_STATES)


def system_dispositions(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``GET campaignLeads/systemDispositions``."""
    return json_response(SYSTEM_DISPOSITIONS)


def lead_search(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``POST campaignLeads/leadSearch``: a JSON array of rows (observed).

    With ``count=true`` the response is a plain number (assumed), independent of the requested page.
    ``page`` and ``maxRows`` are read from the query only; in the body they are ignored (observed).
    """
    counting = query_flag(request, "count")
    condition = build_condition(request.json_object(), request.path_params["account"], sandbox.settings)
    if not counting:
        return search_response(sandbox, request, condition)
    with sandbox.store.reading_at(sandbox.search_time()) as (connection, with_clause):
        return json_response(count_leads(connection, condition, with_clause))


def search_response(sandbox: SandboxState, request: ApiRequest, condition: Condition) -> Response:
    """Return the requested page of matching leads, with the delay of search visibility applied."""
    page = parse_page(request, sandbox.settings)
    with sandbox.store.reading_at(sandbox.search_time()) as (connection, with_clause):
        return json_response(find_leads(connection, condition, page.limit, page.offset, with_clause))
