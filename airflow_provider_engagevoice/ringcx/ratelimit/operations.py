"""Which rate limit a request counts towards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx.spec.rate_limits import DEFAULT_LIMIT, LIMITS, RateWindow

#: Operation of a request, by method and path. Source of the paths: contract.
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

#: Sign-in paths without a documented limit. Clients sign in too rarely to need one.
_UNLIMITED = re.compile(r"/restapi/|/api/auth/token/|/auth/login$|/login/admin$")


@dataclass(frozen=True)
class RateLimit:
    """The rate limit that a request counts towards.

    :param key: identifies service, sub-account and operation; requests with the same key count towards the
        same windows.
    :param operation: the operation.
    :param windows: the windows, all of which must have capacity.
    """

    key: str
    operation: str
    windows: tuple[RateWindow, ...]


def rate_limit_for(
    method: str, url: str, params: Mapping[str, Any] | None = None, rate_limit_scope: str = ""
) -> RateLimit | None:
    """Return the rate limit that a request counts towards.

    Requests without a documented limit share one window per sub-account.

    :param method: HTTP method.
    :param url: URL without query.
    :param params: query.
    :param rate_limit_scope: identifies the caller, if the URL contains no sub-account.
    :return: the limit; None if the request is not limited.
    """
    parts = urlsplit(url)
    if _UNLIMITED.search(parts.path):
        return None
    operation = next(
        (name for verb, path, name in _OPERATIONS if verb == method and path.search(parts.path)), "other"
    )
    if operation == "lead_search" and str((params or {}).get("count", "")).lower() == "true":
        operation = "lead_count"
    windows = LIMITS.get(operation, DEFAULT_LIMIT)
    account = _ACCOUNT.search(parts.path)
    # The key contains the windows, so that two versions with different limits do not share slots.
    periods = ",".join(f"{window.max_requests}/{window.period:g}" for window in windows)
    return RateLimit(
        f"{parts.netloc} {account[1] if account else rate_limit_scope} {operation} {periods}",
        operation,
        windows,
    )


def format_windows(windows: Sequence[RateWindow]) -> str:
    """Return windows as text, such as ``30 requests in 10 s and 120 requests in 60 s``."""
    return " and ".join(
        f"{window.max_requests} request{'s' if window.max_requests != 1 else ''} in {window.period:g} s"
        for window in windows
    )
