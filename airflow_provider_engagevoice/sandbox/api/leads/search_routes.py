"""Search of leads, and the words it takes."""

from __future__ import annotations

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES, SYSTEM_DISPOSITIONS
from airflow_provider_engagevoice.sandbox.api.admin.records import flag_in_query
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition, conditions_of
from airflow_provider_engagevoice.sandbox.api.leads.serializers import count_leads, find_leads
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.pagination import page_of
from airflow_provider_engagevoice.sandbox.state.sandbox import Service


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
    counting = flag_in_query(call, "count")
    condition = conditions_of(call.json_object(), call.captured["account"], service.settings)
    if not counting:
        return answer_page(service, call, condition)
    with service.store.looking_back(service.seen_moment()) as (connection, behind):
        return answer(count_leads(connection, condition, behind))


def answer_page(service: Service, call: Call, condition: Condition) -> Response:
    """Answer with the page of leads that a query asks for, as searches see them."""
    page = page_of(call, service.settings)
    with service.store.looking_back(service.seen_moment()) as (connection, behind):
        return answer(find_leads(connection, condition, page.limit, page.offset, behind))
