"""The sandbox's page over plain HTTP, without its script: what it shows, and its forms."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import by_ids, in_state, move_to
from tests.sandbox.support.pages import Text, look, post

Row = dict[str, Any]


EVIL = '<img src=x onerror="alert(1)">\'&'


def row_of(part: str, name: str) -> list[int]:
    """The numbers of a campaign's row: all its leads, then those by group of states."""
    states = r"(?:[A-Z-]+ [\d,]+ )+"
    titles = r"(?:[A-Z][a-z ]+: [\d,]+ )+"
    found = re.search(
        rf"{name}(?: inactive)? id \d+ · lists and leads {states}([\d,]+) {titles}((?:[\d,]+ ?){{7}})", part
    )
    assert found, name
    return [int(number.replace(",", "")) for number in f"{found[1]} {found[2]}".split()]


def test_campaigns_are_counted_by_state(sandbox: SandboxServer, api: Any, spring: Row) -> None:
    leads = sandbox.leads("Spring Renewals")
    before = row_of(look(sandbox)["campaigns"], "Spring Renewals")
    assert before[0] == len(leads)
    assert before[1] == sum(lead["leadState"] == "READY" for lead in leads)
    assert before[0] == sum(before[1:])
    ready = in_state(leads, "READY")[:7]
    api.act("PAUSE_LEADS", by_ids(ready))
    after = row_of(look(sandbox)["campaigns"], "Spring Renewals")
    assert (after[0], after[1], after[5]) == (before[0], before[1] - 7, before[5] + 7)


def test_counts_follow_a_reset(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    before = look(sandbox)["campaigns"]
    api.act("DELETE_LEADS", by_ids(leads[:20]))
    assert look(sandbox)["campaigns"] != before
    sandbox.reset()
    assert look(sandbox)["campaigns"] == before


def test_head_tells_what_the_sandbox_is(sandbox: SandboxServer) -> None:
    head = look(sandbox)["head"]
    assert sandbox.url.removeprefix("http://") in head
    for fact in ("Leads 1,300", "World seed 1, size 1,300", "Limits documented", "row_cap 400"):
        assert fact in head


def test_limits_that_are_off_are_shown_as_off() -> None:
    with SandboxServer(Settings(size=20, limits="off")) as sandbox:
        assert "Limits off" in look(sandbox)["head"]
        assert "Limits are off." in look(sandbox)["requests"]


def test_recent_leads_begin_with_the_one_changed_last(
    sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
    first, second = in_state(leads, "READY")[:2]
    for lead in (first, second):
        api.act("PAUSE_LEADS", by_ids([lead]))
    shown = re.findall(r" (\d{9}) ", look(sandbox)["leads"])
    assert shown[:2] == [str(second["leadId"]), str(first["leadId"])]


def test_filters_of_the_leads(sandbox: SandboxServer, api: Any, spring: Row, leads: list[Row]) -> None:
    lead = in_state(leads, "READY")[0]
    wanted = str(lead["leadId"])
    name = f"{lead['firstName']} {lead['lastName']}"
    phone = lead["leadPhone"].split("|")[0]
    formatted = f"({phone[:3]}) {phone[3:6]}-{phone[6:]}"
    for text in (name.upper(), lead["externId"], phone, formatted, wanted):
        assert wanted in look(sandbox, text=text, campaign=spring["campaignId"])["leads"], text
        assert wanted in look(sandbox, text=text)["leads"], text
    fits = look(sandbox, campaign=spring["campaignId"], state="PAUSED")["leads"]
    ids = {str(row["leadId"]) for row in leads if row["leadState"] == "PAUSED"}
    assert ids
    assert set(re.findall(r" (\d{9}) ", fits)) == ids
    # Wildcards of SQL are plain letters.
    assert "No leads match the filter." in look(sandbox, text="%_%")["leads"]


@pytest.mark.parametrize(
    "query", [{"campaign": "x"}, {"campaign": "9" * 30}, {"campaign": "-1"}, {"text": "\0'"}]
)
def test_odd_queries_are_no_error(sandbox: SandboxServer, query: Row) -> None:
    assert "Renewals East" in look(sandbox, **query)["campaigns"]


def test_lists_of_the_campaign_chosen(
    sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row
) -> None:
    assert "Select a campaign" in look(sandbox)["leads"]
    movable = in_state(leads, "READY")[:4]
    api.act("MOVE_TO_CAMPAIGN", by_ids(movable), **move_to(summer, LIST_NAME="From the DAG"))
    part = look(sandbox, campaign=summer["campaignId"])["leads"]
    assert re.search(r"Lists of Summer Win-Back .* From the DAG \d+ ACTIVE 4 ", part)


def test_requests_with_action_limit_and_fault(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    sandbox.fault("rate_limited", operation="lead_action")
    assert api.put_action("PAUSE_LEADS", {}).status_code == 429
    api.act("PAUSE_LEADS", by_ids(leads[:1]))
    part = look(sandbox)["requests"]
    assert re.search(
        r"200 lead_action PAUSE_LEADS PUT …/campaignLeads/actions 1 of / 30 .*"
        r"429 lead_action PAUSE_LEADS rate_limited PUT",
        part,
    )
    assert re.search(r"Limits in use now lead_action 50810001 1 of / 30 in 10 s", part)
    errors = look(sandbox, errors="1")["requests"]
    assert "429" in errors
    assert " 200 " not in errors


def test_looking_is_not_recorded(sandbox: SandboxServer) -> None:
    look(sandbox)
    for path in ("page.css", "page.js", "icon.svg"):
        assert requests.get(f"{sandbox.url}/sandbox/static/{path}", timeout=20).status_code == 200
    assert requests.get(f"{sandbox.url}/sandbox/static/..%2fpage.py", timeout=20).status_code == 404
    assert sandbox.requests == []


def test_every_value_is_escaped(sandbox: SandboxServer, api: Any, leads: list[Row], summer: Row) -> None:
    before = Text(requests.get(sandbox.url, timeout=20).text).tags.count("img")
    api.act("MOVE_TO_CAMPAIGN", by_ids(leads[:3]), **move_to(summer, LIST_NAME=EVIL))
    api.session.headers["User-Agent"] = EVIL
    api.get("dialGroups", **{EVIL: EVIL})
    api.session.get(f"{sandbox.url}/voice/api/{EVIL}", timeout=20)
    sandbox.fault("status", operation="lead_search", details=EVIL)
    query = {"text": EVIL, "state": EVIL, "kind": EVIL, "done": EVIL, "campaign": summer["campaignId"]}
    page = requests.get(sandbox.url, params=query, timeout=20).text
    assert Text(page).tags.count("img") == before
    assert (
        page.count(html.escape(EVIL))
        + page.count(html.escape(EVIL).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"))
        >= 3
    )
    refused = post(sandbox, "fault", kind=EVIL)
    assert refused.status_code == 400
    assert Text(refused.text).tags.count("img") == before


def test_forms_go_back_to_the_page_as_it_was(sandbox: SandboxServer) -> None:
    answer = requests.post(
        f"{sandbox.url}/sandbox/page/clock?campaign=5&text=a%26b&evil=1",
        data={"advance": "3600"}, timeout=20, allow_redirects=False,
    )  # fmt: skip
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/?campaign=5&text=a%26b&done=clock"
    assert "+1 h" in look(sandbox)["head"]
    assert "Clock advanced" in look(sandbox, done="clock")["message"]


@pytest.mark.parametrize("seconds", ["-60", "1e9", "nan", ""])
def test_the_clock_moves_by_its_buttons_only(sandbox: SandboxServer, seconds: str) -> None:
    answer = post(sandbox, "clock", advance=seconds)
    assert answer.status_code == 400
    assert "Failed" in Text(answer.text).parts["message"]


def test_reset_asks_first(sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    api.act("DELETE_LEADS", by_ids(leads[:5]))
    page = requests.get(sandbox.url, timeout=20).text
    assert re.search(r'<a [^>]*href="/\?ask=reset">Reset', page)
    assert re.search(r'<dialog id="ask-reset"(?![^>]* open)', page)
    asked = requests.get(sandbox.url, params={"ask": "reset"}, timeout=20).text
    assert re.search(r'<dialog id="ask-reset"[^>]* open', asked)
    assert len(sandbox.leads()) == 1295
    assert "All data reset" in post(sandbox, "reset").text
    assert len(sandbox.leads()) == 1300


def test_settings_can_be_read(sandbox: SandboxServer) -> None:
    settings = requests.get(f"{sandbox.url}/sandbox/settings", timeout=20).json()
    assert (settings["size"], settings["row_cap"], settings["limits"]) == (1300, 400, "documented")


@pytest.mark.choice(54)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_the_root_is_a_web_page_whatever_the_method(sandbox: SandboxServer, method: str) -> None:
    answer = requests.request(method, sandbox.url, timeout=20)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")


def test_leads_of_a_deleted_campaign_are_still_counted(sandbox: SandboxServer, spring: Row) -> None:
    count = len(sandbox.leads("Spring Renewals"))
    with sandbox._state.store.changing() as connection:
        connection.execute("DELETE FROM campaigns WHERE campaignId = ?", (spring["campaignId"],))
    part = look(sandbox)["campaigns"]
    assert row_of(part.partition("Leads without a campaign")[2], r"\(deleted campaign\)")[0] == count
    assert "Leads 1,300" in look(sandbox)["head"]
