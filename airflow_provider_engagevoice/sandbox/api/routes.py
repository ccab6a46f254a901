"""Route table of the simulated RingCX API: operation names, paths, authentication and rate limiting.

Sources: contract; ``lists``, ``campaignDispositions`` and the do-not-call paths: guide.
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
    rate_limited,
    require_account,
    require_auth_token,
    require_bearer,
    require_token,
)

Check = Callable[[Handler], Handler]


@dataclass(frozen=True)
class Operation:
    """One operation of the API.

    :param name: name used by faults, rate limits and the request log.
    :param method: the HTTP method.
    :param path: the path, with path parameters in braces.
    :param handler: the function that handles it.
    :param count_name: its name for requests with ``count=true``; empty if the name does not change.
    """

    name: str
    method: str
    path: str
    handler: Handler
    count_name: str = ""


_GROUP = "dialGroups/{group}"
_CAMPAIGN = f"{_GROUP}/campaigns/{{campaign}}"
_AGENT_GROUP = "agentGroups/{group}"
_AGENTS = f"{_AGENT_GROUP}/agents"
_AGENT = f"{_AGENTS}/{{agent}}"
_LOADER = "campaigns/{campaign}/leadLoader"
_DNC_OF_TAG = "dncLists/tags/{tag}"

#: No token required.
_AUTH = (
    Operation("platform_token", "POST", "/restapi/oauth/token", platform.platform_token),
    Operation("platform_revoke", "POST", "/restapi/oauth/revoke", platform.platform_revoke),
    Operation("token_exchange", "POST", "/api/auth/login/rc/accesstoken", rate_limited(login.exchange)),
    Operation("token_refresh", "POST", "/api/auth/token/refresh", login.refresh),
    Operation("admin_login", "POST", "/api/auth/login/admin", login.admin_login),
    Operation("legacy_login", "POST", "/api/v1/auth/login", login.legacy_login),
    Operation("legacy_login", "POST", "/voice/api/v1/auth/login", login.legacy_login),
)

_TOKEN_ROOT = "/api/auth/token"

#: Operations on the request's own Bearer token.
_BEARER_TOKEN = (
    Operation("token_claims", "GET", "claims", api_tokens.token_claims),
    Operation("token_validate", "GET", "validate", api_tokens.validate_token),
    Operation("token_digital_jwt", "GET", "digitaljwt", api_tokens.digital_jwt),
)

#: Paths below the admin root, open to every user.
_USER = (
    Operation("accounts", "GET", "accounts", lookups.accounts),
    Operation("states", "GET", "states", lookups.states),
    Operation("api_tokens", "GET", "token", api_tokens.api_tokens),
    Operation("api_token_create", "POST", "token", api_tokens.create_api_token),
    Operation("api_token_delete", "DELETE", "token/{token}", api_tokens.delete_api_token),
)

#: Paths below ``accounts/{account}/`` of the admin root, open to users of that sub-account.
_ACCOUNT = (
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
        "lead_search", "POST", "campaignLeads/leadSearch", search_routes.lead_search, count_name="lead_count"
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

#: Paths below ``_INTEGRATION_ROOT``; they accept a Bearer token only. Source: contract.
_INTEGRATION_MAIN_ACCOUNT = (Operation("sub_accounts", "GET", "subaccounts", lookups.sub_accounts),)
_INTEGRATION = (
    Operation("integration_agent_groups", "GET", "agentGroups", agents.integration_agent_groups),
    Operation("integration_agents", "GET", _AGENTS, agents.integration_agents),
)

_INTEGRATION_ROOT = "/voice/api/integration/v1/admin/accounts/{account}"

#: Roots of the admin paths and the authentication each accepts. Source: guide, base URIs.
_ADMIN_ROOTS: tuple[tuple[str, Check], ...] = (
    ("/voice/api/v1/admin", require_token),
    ("/api/v1/admin", require_auth_token),
)


def operation_names() -> frozenset[str]:
    """Return the names of all operations."""
    return frozenset(name for each in operations() for name in (each.name, each.count_name) if name)


def operations() -> Iterator[Operation]:
    """Yield all operations with their full path and with their checks wrapped around the handler."""
    yield from _AUTH
    for operation in _BEARER_TOKEN:
        yield _with_prefix(_TOKEN_ROOT, operation, require_bearer(rate_limited(operation.handler)))
    for operation in _INTEGRATION_MAIN_ACCOUNT:
        yield _with_prefix(_INTEGRATION_ROOT, operation, require_bearer(rate_limited(operation.handler)))
    for operation in _INTEGRATION:
        yield _with_prefix(
            _INTEGRATION_ROOT, operation, require_bearer(require_account(rate_limited(operation.handler)))
        )
    for root, authenticated in _ADMIN_ROOTS:
        for operation in _USER:
            yield _with_prefix(root, operation, authenticated(rate_limited(operation.handler)))
        for operation in _ACCOUNT:
            yield _with_prefix(
                f"{root}/accounts/{{account}}",
                operation,
                authenticated(require_account(rate_limited(operation.handler))),
            )


def _with_prefix(root: str, operation: Operation, handler: Handler) -> Operation:
    """Return a copy of an operation with its path below a root and with another handler."""
    path = f"{root}/{operation.path}"
    return Operation(operation.name, operation.method, path, handler, operation.count_name)
