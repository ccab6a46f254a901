"""Every operation of the sandbox's RingCX: its name, its path, who may call it, and how often.

Sources: contract; ``lists``, ``campaignDispositions`` and the do-not-call paths from the guide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox import leads, signin, tree
from airflow_provider_engagevoice.sandbox.access import (
    in_account,
    limited,
    with_any_token,
    with_auth_token,
)
from airflow_provider_engagevoice.sandbox.calls import Handler

Guard = Callable[[Handler], Handler]


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

#: Without a token.
_SIGN_IN = (
    Operation("platform_token", "POST", "/restapi/oauth/token", signin.platform_token),
    Operation("token_exchange", "POST", "/api/auth/login/rc/accesstoken", limited(signin.exchange)),
    Operation("token_refresh", "POST", "/api/auth/token/refresh", signin.refresh),
    Operation("admin_login", "POST", "/api/auth/login/admin", signin.admin_login),
    Operation("legacy_login", "POST", "/api/v1/auth/login", signin.legacy_login),
    Operation("legacy_login", "POST", "/voice/api/v1/auth/login", signin.legacy_login),
)

#: Below the admin root; for every user.
_OF_USER = (Operation("accounts", "GET", "accounts", tree.accounts),)

#: Below ``accounts/{account}/`` of the admin root; for users of that sub-account.
_OF_ACCOUNT = (
    Operation("dial_groups", "GET", "dialGroups", tree.dial_groups),
    Operation("dial_groups_with_children", "GET", "dialGroups/withChildren", tree.dial_groups_with_children),
    Operation("dial_group", "GET", _GROUP, tree.dial_group),
    Operation("assigned_agents", "GET", f"{_GROUP}/assignedAgents", tree.assigned_agents),
    Operation("campaigns", "GET", f"{_GROUP}/campaigns", tree.campaigns),
    Operation("campaign", "GET", _CAMPAIGN, tree.campaign),
    Operation("lists", "GET", f"{_CAMPAIGN}/lists", tree.lists),
    Operation("dispositions", "GET", f"{_CAMPAIGN}/campaignDispositions", tree.dispositions),
    Operation("clear_cache", "POST", f"{_CAMPAIGN}/clearCache", tree.clear_cache),
    Operation("agent_groups", "GET", "agentGroups", tree.agent_groups),
    Operation("agents", "GET", "agentGroups/{group}/agents", tree.agents),
    Operation("lead_states", "GET", "campaignLeads/leadStates", leads.lead_states),
    Operation("system_dispositions", "GET", "campaignLeads/systemDispositions", leads.system_dispositions),
    Operation("lead_search", "POST", "campaignLeads/leadSearch", leads.lead_search, counted="lead_count"),
    Operation("lead_action", "PUT", "campaignLeads/actions", leads.lead_action),
)

#: Where the admin paths start, and which tokens open them there. Source: guide, base URIs.
_ADMIN_ROOTS: tuple[tuple[str, Guard], ...] = (
    ("/voice/api/v1/admin", with_any_token),
    ("/api/v1/admin", with_auth_token),
)


def names() -> frozenset[str]:
    """Return the names of all operations."""
    return frozenset(name for each in operations() for name in (each.name, each.counted) if name)


def operations() -> Iterator[Operation]:
    """Go through all operations, each with its whole path and with its checks before its handler."""
    yield from _SIGN_IN
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
