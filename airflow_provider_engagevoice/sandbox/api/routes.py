"""Every operation of the sandbox's RingCX: its name, its path, who may call it, and how often.

Sources: contract; ``lists``, ``campaignDispositions`` and the do-not-call paths from the guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.api.admin import agents, campaigns, dial_groups, lookups
from airflow_provider_engagevoice.sandbox.api.auth import api_tokens, login, platform
from airflow_provider_engagevoice.sandbox.api.leads import (
    dnc,
    lead_actions,
    phone_list,
    search_routes,
    updates,
)
from airflow_provider_engagevoice.sandbox.api.loader import loader
from airflow_provider_engagevoice.sandbox.http.endpoint import Handler
from airflow_provider_engagevoice.sandbox.http.middleware import (
    in_account,
    limited,
    with_any_token,
    with_auth_token,
    with_bearer,
)

Check = Callable[[Handler], Handler]


@dataclass(frozen=True)
class Operation:
    """One operation.

    :param name: what faults, limits and the log of requests call it.
    :param method: the HTTP method.
    :param path: the path, with the names of its variable parts in braces.
    :param handler: does it.
    :param counted: its name where the query has ``count=true``; empty where that changes nothing.
    """

    name: str
    method: str
    path: str
    handler: Handler
    counted: str = ""


_GROUP = "dialGroups/{group}"
_CAMPAIGN = f"{_GROUP}/campaigns/{{campaign}}"
_AGENT_GROUP = "agentGroups/{group}"
_AGENTS = f"{_AGENT_GROUP}/agents"
_AGENT = f"{_AGENTS}/{{agent}}"
_LOADER = "campaigns/{campaign}/leadLoader"
_DNC_OF_TAG = "dncLists/tags/{tag}"

#: Without a token.
_SIGN_IN = (
    Operation("platform_token", "POST", "/restapi/oauth/token", platform.platform_token),
    Operation("platform_revoke", "POST", "/restapi/oauth/revoke", platform.platform_revoke),
    Operation("token_exchange", "POST", "/api/auth/login/rc/accesstoken", limited(login.exchange)),
    Operation("token_refresh", "POST", "/api/auth/token/refresh", login.refresh),
    Operation("admin_login", "POST", "/api/auth/login/admin", login.admin_login),
    Operation("legacy_login", "POST", "/api/v1/auth/login", login.legacy_login),
    Operation("legacy_login", "POST", "/voice/api/v1/auth/login", login.legacy_login),
)

_TOKEN_ROOT = "/api/auth/token"

#: About the Bearer token they are called with.
_OF_TOKEN = (
    Operation("token_claims", "GET", "claims", api_tokens.token_claims),
    Operation("token_validate", "GET", "validate", api_tokens.validate_token),
    Operation("token_digital_jwt", "GET", "digitaljwt", api_tokens.digital_jwt),
)

#: Below the admin root; for every user.
_OF_USER = (
    Operation("accounts", "GET", "accounts", lookups.accounts),
    Operation("states", "GET", "states", lookups.states),
    Operation("api_tokens", "GET", "token", api_tokens.api_tokens),
    Operation("api_token_create", "POST", "token", api_tokens.create_api_token),
    Operation("api_token_delete", "DELETE", "token/{token}", api_tokens.delete_api_token),
)

#: Below ``accounts/{account}/`` of the admin root; for users of that sub-account.
_OF_ACCOUNT = (
    Operation("countries", "GET", "countries/available", lookups.countries),
    Operation("aux_states", "GET", "auxStates", lookups.aux_states),
    Operation("outbound_stats", "GET", "realTimeData/outbound", lookups.outbound_stats),
    Operation("dial_groups", "GET", "dialGroups", dial_groups.dial_groups),
    Operation(
        "dial_groups_with_children", "GET", "dialGroups/withChildren", dial_groups.dial_groups_with_children
    ),
    Operation("dial_group_create", "POST", "dialGroups", dial_groups.create_dial_group),
    Operation("dial_group", "GET", _GROUP, dial_groups.dial_group),
    Operation("dial_group_replace", "PUT", _GROUP, dial_groups.replace_dial_group),
    Operation("dial_group_delete", "DELETE", _GROUP, dial_groups.delete_dial_group),
    Operation("assigned_agents", "GET", f"{_GROUP}/assignedAgents", dial_groups.assigned_agents),
    Operation("assign_agents", "PUT", f"{_GROUP}/assignAgents", dial_groups.assign_agents),
    Operation("campaigns", "GET", f"{_GROUP}/campaigns", campaigns.campaigns),
    Operation("campaign_create", "POST", f"{_GROUP}/campaigns", campaigns.create_campaign),
    Operation("campaign", "GET", _CAMPAIGN, campaigns.campaign),
    Operation("campaign_replace", "PUT", _CAMPAIGN, campaigns.replace_campaign),
    Operation("campaign_delete", "DELETE", _CAMPAIGN, campaigns.delete_campaign),
    Operation("lists", "GET", f"{_CAMPAIGN}/lists", campaigns.lists),
    Operation("dispositions", "GET", f"{_CAMPAIGN}/campaignDispositions", campaigns.dispositions),
    Operation("clear_cache", "POST", f"{_CAMPAIGN}/clearCache", campaigns.clear_cache),
    Operation("agent_groups", "GET", "agentGroups", agents.agent_groups),
    Operation("agent_group_create", "POST", "agentGroups", agents.create_agent_group),
    Operation("agent_group", "GET", _AGENT_GROUP, agents.agent_group),
    Operation("agent_group_replace", "PUT", _AGENT_GROUP, agents.replace_agent_group),
    Operation("agent_group_delete", "DELETE", _AGENT_GROUP, agents.delete_agent_group),
    Operation("agents", "GET", _AGENTS, agents.agents),
    Operation("agent_create", "POST", _AGENTS, agents.create_agent),
    Operation("agents_replace", "PUT", _AGENTS, agents.replace_agents),
    Operation("agent", "GET", _AGENT, agents.agent),
    Operation("agent_replace", "PUT", _AGENT, agents.replace_agent),
    Operation("agent_delete", "DELETE", _AGENT, agents.delete_agent),
    Operation("lead_states", "GET", "campaignLeads/leadStates", search_routes.lead_states),
    Operation(
        "system_dispositions", "GET", "campaignLeads/systemDispositions", search_routes.system_dispositions
    ),
    Operation(
        "lead_search", "POST", "campaignLeads/leadSearch", search_routes.lead_search, counted="lead_count"
    ),
    Operation(
        "phone_list_search", "POST", "campaignLeads/leadSearchByPhoneList", phone_list.phone_list_search
    ),
    Operation("lead_action", "PUT", "campaignLeads/actions", lead_actions.lead_action),
    Operation("direct_load", "POST", f"{_LOADER}/direct", loader.direct_load),
    Operation("preview_load", "POST", f"{_LOADER}/preview", loader.preview_load),
    Operation("process_load", "POST", f"{_LOADER}/process", loader.process_load),
    Operation("dnc_entries", "GET", "dncLists", dnc.dnc_entries),
    Operation("dnc_add", "POST", "dncLists", dnc.add_dnc_entry),
    Operation("dnc_search", "POST", "dncLists/advancedSearch", dnc.search_dnc),
    Operation("dnc_upload", "POST", "dncLists/uploadDncFile", dnc.upload_dnc),
    Operation("dnc_delete", "DELETE", _DNC_OF_TAG, dnc.delete_dnc_of_tag),
    Operation("dnc_delete", "DELETE", f"{_DNC_OF_TAG}/countries/{{country}}", dnc.delete_dnc_of_country),
    Operation(
        "dnc_delete", "DELETE", f"{_DNC_OF_TAG}/phones/{{phone}}/countries/{{country}}", dnc.delete_dnc_phone
    ),
    Operation("dnc_tags", "GET", "dncTags", dnc.dnc_tags),
    Operation("dnc_tag_add", "POST", "dncTags", dnc.add_dnc_tag),
    Operation("dnc_tag_delete", "DELETE", "dncTags/{tag}", dnc.delete_dnc_tag),
    Operation("lead_update", "PUT", "campaignLeads/{lead}", updates.put_lead),
    Operation("lead_update", "PATCH", "campaignLeads/{lead}", updates.patch_lead),
)

#: The integration paths, below ``_INTEGRATION_ROOT``; with a Bearer token only. Source: contract.
_OF_MAIN_ACCOUNT = (Operation("sub_accounts", "GET", "subaccounts", lookups.sub_accounts),)
_INTEGRATION = (
    Operation("integration_agent_groups", "GET", "agentGroups", agents.integration_agent_groups),
    Operation("integration_agents", "GET", _AGENTS, agents.integration_agents),
)

_INTEGRATION_ROOT = "/voice/api/integration/v1/admin/accounts/{account}"

#: Where the admin paths start, and which tokens open them there. Source: guide, base URIs.
_ADMIN_ROOTS: tuple[tuple[str, Check], ...] = (
    ("/voice/api/v1/admin", with_any_token),
    ("/api/v1/admin", with_auth_token),
)


def names() -> frozenset[str]:
    """Return the names of all operations."""
    return frozenset(name for each in operations() for name in (each.name, each.counted) if name)


def operations() -> Iterator[Operation]:
    """Go through all operations, each with its whole path and with its checks before its handler."""
    yield from _SIGN_IN
    for operation in _OF_TOKEN:
        yield _below(_TOKEN_ROOT, operation, with_bearer(limited(operation.handler)))
    for operation in _OF_MAIN_ACCOUNT:
        yield _below(_INTEGRATION_ROOT, operation, with_bearer(limited(operation.handler)))
    for operation in _INTEGRATION:
        yield _below(_INTEGRATION_ROOT, operation, with_bearer(in_account(limited(operation.handler))))
    for root, signed_in in _ADMIN_ROOTS:
        for operation in _OF_USER:
            yield _below(root, operation, signed_in(limited(operation.handler)))
        for operation in _OF_ACCOUNT:
            yield _below(
                f"{root}/accounts/{{account}}", operation, signed_in(in_account(limited(operation.handler)))
            )


def _below(root: str, operation: Operation, handler: Handler) -> Operation:
    """Put an operation below a root, behind checks."""
    path = f"{root}/{operation.path}"
    return Operation(operation.name, operation.method, path, handler, operation.counted)
