"""Tests of the assignment of requests to rate limits."""

from __future__ import annotations

import pytest

from airflow_provider_engagevoice.ringcx.ratelimit.operations import format_windows, rate_limit_for
from airflow_provider_engagevoice.ringcx.spec.rate_limits import DEFAULT_LIMIT, LIMITS, RateWindow

ACCOUNT = "https://ringcx.ringcentral.com/voice/api/v1/admin/accounts/1"


@pytest.mark.parametrize(
    ("method", "path", "params", "operation"),
    [
        ("POST", "/campaignLeads/leadSearch", {}, "lead_search"),
        ("POST", "/campaignLeads/leadSearch", {"count": "true"}, "lead_count"),
        ("POST", "/campaignLeads/leadSearch", {"count": "false"}, "lead_search"),
        ("POST", "/campaignLeads/leadSearchByPhoneList", {}, "phone_list_search"),
        ("PUT", "/campaignLeads/actions", {}, "lead_action"),
        ("PUT", "/campaignLeads/4711", {}, "lead_update"),
        ("PATCH", "/campaignLeads/4711", {}, "lead_update"),
        ("POST", "/campaigns/7/leadLoader/direct", {}, "direct_load"),
        ("POST", "/campaigns/7/leadLoader/preview", {}, "preview_load"),
        ("POST", "/campaigns/7/leadLoader/process", {}, "process_load"),
        ("GET", "/dialGroups", {}, "other"),
        ("GET", "/campaignLeads/actions", {}, "other"),
    ],
)
def test_rate_limit_for_counts_request_towards_operation(
    method: str, path: str, params: dict[str, str], operation: str
) -> None:
    limit = rate_limit_for(method, ACCOUNT + path, params)
    assert limit is not None
    assert (limit.operation, limit.windows) == (operation, LIMITS.get(operation, DEFAULT_LIMIT))


def test_rate_limit_for_separates_accounts_operations_and_hosts() -> None:
    urls = [f"https://{host}/api/v1/admin/accounts/{account}" for host in "ab" for account in (1, 2)]
    limits = [rate_limit_for("GET", f"{url}/dialGroups") for url in urls]
    limits += [rate_limit_for("PUT", f"{url}/campaignLeads/actions") for url in urls]
    assert len({limit.key for limit in limits if limit}) == 8
    assert rate_limit_for("GET", urls[0] + "/campaigns") == rate_limit_for("GET", urls[0] + "/dialGroups/3")


def test_rate_limit_for_limits_sign_ins_per_app_only() -> None:
    exchange = "https://a/api/auth/login/rc/accesstoken"
    one, other = (rate_limit_for("POST", exchange, rate_limit_scope=app) for app in ("one", "other"))
    assert one is not None
    assert other is not None
    assert one.windows == (RateWindow(5, 60),)
    assert one.key != other.key
    assert rate_limit_for("POST", "https://a/api/auth/token/refresh") is None
    assert rate_limit_for("POST", "https://platform.ringcentral.com/restapi/oauth/token") is None


def test_token_exchange_limit_is_the_documented_one() -> None:
    assert LIMITS["token_exchange"] == (RateWindow(5, 60),)


def test_format_windows_counts_requests() -> None:
    assert format_windows(LIMITS["lead_action"]) == "30 requests in 10 s and 120 requests in 60 s"
    assert format_windows([RateWindow(1, 0.5)]) == "1 request in 0.5 s"
