"""Which rate limit a request counts towards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, OTHER, RateWindow

#: What method and path name an operation. Source of the paths: contract.
_OPERATIONS = (
    ("POST", re.compile(r"/login/rc/accesstoken$"), "token_exchange"),
    ("POST", re.compile(r"/campaignLeads/leadSearch$"), "lead_search"),
    ("POST", re.compile(r"/campaignLeads/leadSearchByPhoneList$"), "phone_list_search"),
    ("PUT", re.compile(r"/campaignLeads/actions$"), "lead_action"),
    ("PUT", re.compile(r"/campaignLeads/\d+$"), "lead_update"),
    ("PATCH", re.compile(r"/campaignLeads/\d+$"), "lead_update"),
    ("POST", re.compile(r"/leadLoader/direct$"), "direct_load"),
    ("POST", re.compile(r"/leadLoader/preview$"), "preview_load"),
    ("POST", re.compile(r"/leadLoader/process$"), "process_load"),
)


_ACCOUNT = re.compile(r"/accounts/([^/]+)")


#: These have no documented limit, and the clients sign in rarely: nothing to wait for.
_UNLIMITED = re.compile(r"/restapi/|/api/auth/token/|/auth/login$|/login/admin$")


@dataclass(frozen=True)
class RateLimit:
    """What one request counts towards.

    :param key: names the service, the sub-account and the operation; two requests with the same key count
        towards the same windows.
    :param operation: the operation.
    :param windows: the windows.
    """

    key: str
    operation: str
    windows: tuple[RateWindow, ...]


def rate_limit_for(
    method: str, url: str, params: Mapping[str, Any] | None = None, rate_limit_scope: str = ""
) -> RateLimit | None:
    """Tell what a request counts towards.

    Requests whose limit no document states share one window per sub-account.

    :param method: HTTP method.
    :param url: address without query.
    :param params: query.
    :param whose: who asks, where the address names no sub-account.
    :return: the limit; None where there is none to keep.
    """
    parts = urlsplit(url)
    if _UNLIMITED.search(parts.path):
        return None
    operation = next(
        (name for verb, path, name in _OPERATIONS if verb == method and path.search(parts.path)), "other"
    )
    if operation == "lead_search" and str((params or {}).get("count", "")).lower() == "true":
        operation = "lead_count"
    windows = LIMITS.get(operation, OTHER)
    account = _ACCOUNT.search(parts.path)
    # The windows are in the key: of two versions with other limits, each keeps its own.
    spans = ",".join(f"{window.max_requests}/{window.period:g}" for window in windows)
    return RateLimit(
        f"{parts.netloc} {account[1] if account else rate_limit_scope} {operation} {spans}",
        operation,
        windows,
    )


def shown(windows: Sequence[RateWindow]) -> str:
    """Write windows for a person."""
    return " and ".join(f"{window.max_requests} requests in {window.period:g} s" for window in windows)
