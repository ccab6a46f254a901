"""Rows that an earlier plan of the same sync has loaded and that RingCX does not show yet."""

from __future__ import annotations

from airflow_provider_engagevoice.ringcx.campaigns import Campaign, lead_list, list_rows, lists_path
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import LeadsChanged
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.loading.load_lists import SEPARATOR, is_recent
from airflow_provider_engagevoice.ringcx.steps import run
from airflow_provider_engagevoice.ringcx.sync.owner import owned_lists, sync_token
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan


def check_hidden_loads(
    request_steps: RequestStepsFn, leads: LeadSearch, campaign: Campaign, plan: SyncPlan
) -> None:
    """Raise if a new list of another plan of the sync seems to be without leads.

    Its rows would be loaded again. The lists of the plan itself are found by its loader, and those whose
    leads were shown when the plan was made may have been emptied by it.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param leads: counts leads.
    :param campaign: the campaign.
    :param plan: the plan that is about to load rows.
    :raises LeadsChanged: if there is one. A retry can help.
    """
    own = f"{SEPARATOR}{sync_token(plan.owner, plan.fingerprint)}/"
    sleep = leads.cancel_token.sleep
    rows = list_rows(run(request_steps("GET", lists_path(campaign)), sleep))
    names = {each["list_id"]: each["list_name"] for each in map(lead_list, rows)}
    owned = owned_lists(plan.owner, names.items())
    for row in rows:
        list_id = lead_list(row)["list_id"]
        is_other = list_id in owned.difference(plan.shown_lists) and own not in names[list_id]
        if is_other and row.get("leadsAccepted") and is_recent(row.get("uploadDate")):
            selection = Selection({"campaignIds": [campaign["campaign_id"]], "listIds": [list_id]})
            if not run(leads.count_steps(selection), sleep):
                raise LeadsChanged(
                    "Run the task again in some minutes: RingCX does not show the leads of list "
                    f"{names[list_id]!r} yet, which an earlier plan has loaded"
                )
