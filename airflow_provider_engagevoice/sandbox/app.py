"""The ASGI application: which path leads to which handler."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from airflow_provider_engagevoice.sandbox import leads, signin, tree
from airflow_provider_engagevoice.sandbox.access import in_account, with_any_token, with_auth_token
from airflow_provider_engagevoice.sandbox.calls import Handler, endpoint, refused
from airflow_provider_engagevoice.sandbox.errors import Refusal
from airflow_provider_engagevoice.sandbox.service import Service

_GROUP = "dialGroups/{group}"
_CAMPAIGN = f"{_GROUP}/campaigns/{{campaign}}"

#: Paths below ``.../admin/accounts/{account}/``. Sources: contract; ``lists`` and
#: ``campaignDispositions`` from the guide.
_IN_ACCOUNT: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "dialGroups", tree.dial_groups),
    ("GET", "dialGroups/withChildren", tree.dial_groups_with_children),
    ("GET", _GROUP, tree.dial_group),
    ("GET", f"{_GROUP}/assignedAgents", tree.assigned_agents),
    ("GET", f"{_GROUP}/campaigns", tree.campaigns),
    ("GET", _CAMPAIGN, tree.campaign),
    ("GET", f"{_CAMPAIGN}/lists", tree.lists),
    ("GET", f"{_CAMPAIGN}/campaignDispositions", tree.dispositions),
    ("POST", f"{_CAMPAIGN}/clearCache", tree.clear_cache),
    ("GET", "agentGroups", tree.agent_groups),
    ("GET", "agentGroups/{group}/agents", tree.agents),
    ("GET", "campaignLeads/leadStates", leads.lead_states),
    ("GET", "campaignLeads/systemDispositions", leads.system_dispositions),
    ("POST", "campaignLeads/leadSearch", leads.lead_search),
    ("PUT", "campaignLeads/actions", leads.lead_action),
)

_SIGN_IN: tuple[tuple[str, Handler], ...] = (
    ("/restapi/oauth/token", signin.platform_token),
    ("/api/auth/login/rc/accesstoken", signin.exchange),
    ("/api/auth/token/refresh", signin.refresh),
    ("/api/auth/login/admin", signin.admin_login),
    ("/api/v1/auth/login", signin.legacy_login),
    ("/voice/api/v1/auth/login", signin.legacy_login),
)

#: Where the admin paths start, and which tokens open them there. Source: guide, base URIs.
_ADMIN_ROOTS = (("/voice/api/v1/admin", with_any_token), ("/api/v1/admin", with_auth_token))

_SERVICE_ROOTS = frozenset({"api", "restapi"})

_WEB_PAGE = '<!DOCTYPE html><html><head><title>RingCX</title></head><body><div id="root"></div></body></html>'


def build_app(service: Service) -> Starlette:
    """Build the application of a sandbox.

    :param service: the sandbox.
    :return: the application.
    """

    def not_found(request: Request, error: Exception) -> Response:
        """Answer a path nobody serves; outside the service it is the web application's page (observed)."""
        first, _, rest = request.scope["path"].strip("/").partition("/")
        if first in _SERVICE_ROOTS or (first == "voice" and rest.partition("/")[0] == "api"):
            return refused(service, request, Refusal(404))
        return HTMLResponse(_WEB_PAGE)

    def wrong_method(request: Request, error: Exception) -> Response:
        """Answer a known path with an unknown method."""
        return refused(service, request, Refusal(405))

    def broken(request: Request, error: Exception) -> Response:
        """Answer a request on which the sandbox itself failed."""
        return refused(service, request, Refusal(500))

    app = Starlette(
        routes=list(_routes(service)),
        exception_handlers={404: not_found, 405: wrong_method, Exception: broken},
    )
    app.router.redirect_slashes = False
    return app


def _routes(service: Service) -> Iterator[Route]:
    """Make the routes of all paths."""
    for path, handler in _SIGN_IN:
        yield Route(path, endpoint(service, handler), methods=["POST"])
    for root, with_token in _ADMIN_ROOTS:
        yield Route(f"{root}/accounts", endpoint(service, with_token(tree.accounts)), methods=["GET"])
        for method, path, handler in _IN_ACCOUNT:
            checked = with_token(in_account(handler))
            yield Route(f"{root}/accounts/{{account}}/{path}", endpoint(service, checked), methods=[method])
