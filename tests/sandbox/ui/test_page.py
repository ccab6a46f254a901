"""Dashboard over plain HTTP, without JavaScript: contents and forms."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import by_ids, in_state, move_params
from tests.sandbox.support.pages import Text, page_text, post

Row = dict[str, Any]


MALICIOUS_TEXT = '<img src=x onerror="alert(1)">\'&'


def campaign_counts(part: str, name: str) -> list[int]:
    """Return the numbers of a campaign's row: its total, then its leads by state group."""
    states = r"(?:[A-Z-]+ [\d,]+ )+"
    titles = r"(?:[A-Z][a-z ]+: [\d,]+ )+"
    found = re.search(
        rf"{name}(?: inactive)? id \d+ · lists and leads {states}([\d,]+) {titles}((?:[\d,]+ ?){{7}})", part
    )
    assert found, name
    return [int(number.replace(",", "")) for number in f"{found[1]} {found[2]}".split()]


def test_campaign_counts_follow_state_changes(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    leads = sandbox.leads("Spring Renewals")
    before = campaign_counts(page_text(sandbox)["campaigns"], "Spring Renewals")
    assert before[0] == len(leads)
    assert before[1] == sum(lead["leadState"] == "READY" for lead in leads)
    assert before[0] == sum(before[1:])
    ready = in_state(leads, "READY")[:7]
    api.act("PAUSE_LEADS", by_ids(ready))
    after = campaign_counts(page_text(sandbox)["campaigns"], "Spring Renewals")
    assert (after[0], after[1], after[5]) == (before[0], before[1] - 7, before[5] + 7)


def test_campaign_counts_follow_reset(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    before = page_text(sandbox)["campaigns"]
    api.act("DELETE_LEADS", by_ids(leads[:20]))
    assert page_text(sandbox)["campaigns"] != before
    sandbox.reset()
    assert page_text(sandbox)["campaigns"] == before


def test_head_shows_address_and_settings(sandbox: SandboxServer) -> None:
    head = page_text(sandbox)["head"]
    assert sandbox.url.removeprefix("http://") in head
    for fact in ("Leads 1,300", "Seed data seed 1, size 1,300", "Limits documented", "row_cap 400"):
        assert fact in head


def test_limits_off_is_shown() -> None:
    with SandboxServer(Settings(size=20, limits="off")) as sandbox:
        assert "Limits off" in page_text(sandbox)["head"]
        assert "Limits are off." in page_text(sandbox)["requests"]


def test_leads_most_recently_changed_is_first(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    first, second = in_state(leads, "READY")[:2]
    for lead in (first, second):
        api.act("PAUSE_LEADS", by_ids([lead]))
    shown = re.findall(r" (\d{9}) ", page_text(sandbox)["leads"])
    assert shown[:2] == [str(second["leadId"]), str(first["leadId"])]


def test_leads_filter_by_text_and_state(
    sandbox: SandboxServer, api: Any, spring: Row, leads: list[Row]
) -> None:
    lead = in_state(leads, "READY")[0]
    lead_id = str(lead["leadId"])
    name = f"{lead['firstName']} {lead['lastName']}"
    phone = lead["leadPhone"].split("|")[0]
    formatted = f"({phone[:3]}) {phone[3:6]}-{phone[6:]}"
    for text in (name.upper(), lead["externId"], phone, formatted, lead_id):
        assert lead_id in page_text(sandbox, text=text, campaign=spring["campaignId"])["leads"], text
        assert lead_id in page_text(sandbox, text=text)["leads"], text
    matching = page_text(sandbox, campaign=spring["campaignId"], state="PAUSED")["leads"]
    ids = {str(row["leadId"]) for row in leads if row["leadState"] == "PAUSED"}
    assert ids
    assert set(re.findall(r" (\d{9}) ", matching)) == ids
    # SQL wildcards match literally.
    assert "No leads match the filter." in page_text(sandbox, text="%_%")["leads"]


@pytest.mark.parametrize(
    "query", [{"campaign": "x"}, {"campaign": "9" * 30}, {"campaign": "-1"}, {"text": "\0'"}]
)
def test_page_invalid_query_is_ignored(sandbox: SandboxServer, query: Row) -> None:
    assert "Renewals East" in page_text(sandbox, **query)["campaigns"]


def test_selected_campaign_shows_its_lists(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    assert "Select a campaign" in page_text(sandbox)["leads"]
    movable = in_state(leads, "READY")[:4]
    api.act("MOVE_TO_CAMPAIGN", by_ids(movable), **move_params(summer, LIST_NAME="From the DAG"))
    part = page_text(sandbox, campaign=summer["campaignId"])["leads"]
    assert re.search(r"Lists of Summer Win-Back .* From the DAG \d+ ACTIVE 4 ", part)


def test_requests_show_action_limit_and_fault(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    sandbox.fault("rate_limited", operation="lead_action")
    assert api.put_action("PAUSE_LEADS", {}).status_code == 429
    api.act("PAUSE_LEADS", by_ids(leads[:1]))
    part = page_text(sandbox)["requests"]
    assert re.search(
        r"200 lead_action PAUSE_LEADS PUT …/campaignLeads/actions 1 of / 30 .*"
        r"429 lead_action PAUSE_LEADS rate_limited PUT",
        part,
    )
    assert re.search(r"Limits in use lead_action 50810001 1 of / 30 in 10 s", part)
    errors = page_text(sandbox, errors="1")["requests"]
    assert "429" in errors
    assert " 200 " not in errors


def test_page_requests_are_not_recorded(sandbox: SandboxServer) -> None:
    page_text(sandbox)
    for path in ("page.css", "page.js", "icon.svg"):
        assert requests.get(f"{sandbox.url}/sandbox/static/{path}", timeout=20).status_code == 200
    assert requests.get(f"{sandbox.url}/sandbox/static/..%2fpage.py", timeout=20).status_code == 404
    assert sandbox.requests == []


def test_page_escapes_all_values(sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row) -> None:
    before = Text(requests.get(sandbox.url, timeout=20).text).tags.count("img")
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:3]), **move_params(summer, LIST_NAME=MALICIOUS_TEXT))
    api.session.headers["User-Agent"] = MALICIOUS_TEXT
    api.get("dialGroups", **{MALICIOUS_TEXT: MALICIOUS_TEXT})
    api.session.get(f"{sandbox.url}/voice/api/{MALICIOUS_TEXT}", timeout=20)
    sandbox.fault("status", operation="lead_search", details=MALICIOUS_TEXT)
    query = {
        "text": MALICIOUS_TEXT,
        "state": MALICIOUS_TEXT,
        "kind": MALICIOUS_TEXT,
        "done": MALICIOUS_TEXT,
        "campaign": summer["campaignId"],
    }
    page = requests.get(sandbox.url, params=query, timeout=20).text
    assert Text(page).tags.count("img") == before
    assert (
        page.count(html.escape(MALICIOUS_TEXT))
        + page.count(html.escape(MALICIOUS_TEXT).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"))
        >= 3
    )
    rejected = post(sandbox, "fault", kind=MALICIOUS_TEXT)
    assert rejected.status_code == 400
    assert Text(rejected.text).tags.count("img") == before


def test_form_redirect_keeps_filters(sandbox: SandboxServer) -> None:
    response = requests.post(
        f"{sandbox.url}/sandbox/page/clock?campaign=5&text=a%26b&evil=1",
        data={"advance": "3600"}, timeout=20, allow_redirects=False,
    )  # fmt: skip
    assert response.status_code == 303
    assert response.headers["Location"] == "/?campaign=5&text=a%26b&done=clock"
    assert "+1 h" in page_text(sandbox)["head"]
    assert "Clock advanced" in page_text(sandbox, done="clock")["message"]


@pytest.mark.parametrize("seconds", ["-60", "1e9", "nan", ""])
def test_clock_form_other_step_returns_400(sandbox: SandboxServer, seconds: str) -> None:
    response = post(sandbox, "clock", advance=seconds)
    assert response.status_code == 400
    assert "Failed" in Text(response.text).parts["message"]


def test_reset_link_asks_for_confirmation(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    api.act("DELETE_LEADS", by_ids(leads[:5]))
    page = requests.get(sandbox.url, timeout=20).text
    assert re.search(r'<a [^>]*href="/\?ask=reset">Reset', page)
    assert re.search(r'<dialog id="ask-reset"(?![^>]* open)', page)
    dialog_page = requests.get(sandbox.url, params={"ask": "reset"}, timeout=20).text
    assert re.search(r'<dialog id="ask-reset"[^>]* open', dialog_page)
    assert len(sandbox.leads()) == 1295
    assert "All data reset" in post(sandbox, "reset").text
    assert len(sandbox.leads()) == 1300


def test_settings_endpoint_returns_settings(sandbox: SandboxServer) -> None:
    settings = requests.get(f"{sandbox.url}/sandbox/settings", timeout=20).json()
    assert (settings["size"], settings["row_cap"], settings["limits"]) == (1300, 400, "documented")


@pytest.mark.assumption(54)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_root_any_method_returns_web_page(sandbox: SandboxServer, method: str) -> None:
    response = requests.request(method, sandbox.url, timeout=20)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")


def test_leads_of_deleted_campaign_are_counted(sandbox: SandboxServer, spring: Row) -> None:
    count = len(sandbox.leads("Spring Renewals"))
    with sandbox._state.store.changing() as connection:
        connection.execute("DELETE FROM campaigns WHERE campaignId = ?", (spring["campaignId"],))
    part = page_text(sandbox)["campaigns"]
    assert campaign_counts(part.partition("Leads without a campaign")[2], r"\(deleted campaign\)")[0] == count
    assert "Leads 1,300" in page_text(sandbox)["head"]
