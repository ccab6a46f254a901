"""Tests of actions whose ids match no lead."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, NoLeadsMatched
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import LeadRows
from tests.support.clients import make_client, perform_action


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def cancel(ringcx: SandboxServer, criteria: dict[str, Any], **options: Any) -> Any:
    return perform_action(make_client(ringcx.url), "CANCEL_LEADS", criteria, **options)


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (str.lower, "in upper and lower case"),
        (lambda text: text.replace("CRM-", "CRM- "), "in blanks"),
    ],
)
def test_no_match_names_the_difference_of_the_ids(
    ringcx: SandboxServer,
    ready_leads: LeadRows,
    caplog: pytest.LogCaptureFixture,
    change: Any,
    difference: str,
) -> None:
    ids = [change(lead["externId"]) for lead in ready_leads[:3]]
    result = cancel(ringcx, {"externIds": ids})
    assert (result["leads_matched"], result["requests"]) == (0, 0)
    assert messages(caplog) == [
        f"No lead matches the 3 externIds. Correct the externIds: for 3 leads, they differ {difference} only"
    ]


def test_no_match_of_phones_names_the_country_code(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    phones = ["0044" + lead["leadPhone"].split("|")[0] for lead in ready_leads[:2]]
    cancel(ringcx, {"leadPhoneNumbers": phones})
    assert [message.partition(". ")[0] for message in messages(caplog)] == [
        "No lead matches the 2 leadPhoneNumbers"
    ]


def test_no_match_of_other_criteria_is_told_apart(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    other = ringcx.campaign("Summer Win-Back")["campaignId"]
    ids = [lead["externId"] for lead in ready_leads[:3]]
    cancel(ringcx, {"campaignIds": [other], "campaignId": other, "externIds": ids})
    assert messages(caplog) == [
        "No lead matches the 3 externIds. Check the other criteria: 3 leads of the account can be found by "
        "the first 3 externIds alone"
    ]


def test_no_match_names_a_campaign_that_does_not_exist(
    ringcx: SandboxServer, ready_leads: LeadRows, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [lead["externId"] for lead in ready_leads[:3]]
    cancel(ringcx, {"campaignIds": [111], "campaignId": 111, "externIds": ids})
    assert messages(caplog) == [
        "No lead matches the 3 externIds. Check the campaign ids: account 50810001 has no campaign 111"
    ]


def test_no_match_without_a_known_cause_gives_hints(
    ringcx: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    cancel(ringcx, {"externIds": ["001A0000006Vm9r", "001A0000006Vm9s"]}, dry_run=True)
    (message,) = messages(caplog)
    assert message.startswith("No lead matches the 2 externIds. They have 15 letters as short Salesforce ids")
    assert "001A" not in message


@pytest.mark.parametrize("on_no_match", ["fail", "skip"])
def test_no_match_raises_if_asked_to(ringcx: SandboxServer, on_no_match: str) -> None:
    with pytest.raises(NoLeadsMatched, match="No lead matches the 1 externIds"):
        cancel(ringcx, {"externIds": ["unknown-7"]}, on_no_match=on_no_match)
    with pytest.raises(NoLeadsMatched, match=r"^No lead matches the criteria\. Check the campaign ids"):
        cancel(ringcx, {"campaignIds": [111], "campaignId": 111}, on_no_match=on_no_match)


def test_no_match_of_filters_is_no_warning(ringcx: SandboxServer, caplog: pytest.LogCaptureFixture) -> None:
    spring = ringcx.campaign("Spring Renewals")["campaignId"]
    criteria = {"campaignIds": [spring], "campaignId": spring, "leadStates": ["TRANSITIONED"]}
    assert cancel(ringcx, criteria)["leads_matched"] == 0
    assert messages(caplog) == []


def test_no_match_look_up_that_fails_changes_nothing(
    ringcx: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    ringcx.fault("status", status=403, operation="lead_search")
    assert cancel(ringcx, {"externIds": ["unknown-7"]})["leads_matched"] == 0
    assert messages(caplog)[0].startswith("No lead matches the 1 externIds. Check case, blanks")


def test_on_no_match_unknown_value_is_refused(ringcx: SandboxServer) -> None:
    from airflow_provider_engagevoice.ringcx.bulk.options import validate_options

    with pytest.raises(InvalidParameter, match="on_no_match must be one of warn, fail, skip, not 'ignore'"):
        validate_options(None, 500, on_no_match="ignore")


def test_no_match_of_filters_names_an_unknown_campaign(
    ringcx: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    cancel(ringcx, {"campaignIds": [111], "campaignId": 111, "leadStates": ["READY"]})
    assert messages(caplog) == [
        "No lead matches the criteria. Check the campaign ids: account 50810001 has no campaign 111"
    ]
