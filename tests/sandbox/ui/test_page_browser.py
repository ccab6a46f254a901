"""The sandbox's page in a browser: it keeps itself up to date, and leaves its user alone meanwhile."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import by_ids, in_state, move_to

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip("playwright.sync_api", reason="the browser tests need: pip install playwright")
expect = sync_api.expect

Row = dict[str, Any]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 15_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_api.sync_playwright() as playwright:
        try:
            running = playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox"] if is_root else []
            )
        except sync_api.Error as error:
            pytest.skip(f"No Chromium here (install it, or run `playwright install chromium`): {error}"[:300])
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong: no message of the console, no error of the script."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(_PATIENCE)
    problems: list[str] = []
    opened = context.new_page()
    opened.on("console", lambda message: problems.append(message.text))
    opened.on("pageerror", lambda error: problems.append(str(error)))
    yield opened
    context.close()
    # Chromium itself writes one for a refused form, and for each request that a sandbox does not answer.
    expected = ("net::ERR_CONNECTION", "the server responded with a status of 400")
    assert [text for text in problems if not any(each in text for each in expected)] == []


@pytest.fixture
def live(page: Page, sandbox: SandboxServer) -> Page:
    """The page of the sandbox, when its script has begun."""
    return opened(page, sandbox)


def opened(page: Page, sandbox: SandboxServer, query: str = "") -> Page:
    page.goto(f"{sandbox.url}/{query}")
    is_live(page)
    return page


def is_live(page: Page) -> None:
    expect(page.locator("#live")).to_have_text("live", timeout=_PATIENCE)


def refreshed(page: Page) -> None:
    """Wait until the page has asked for news, and has shown them."""
    with page.expect_response(lambda response: response.request.method == "GET"):
        pass
    with page.expect_response(lambda response: response.request.method == "GET"):
        pass


def ready_cell(page: Page, campaign: str) -> Any:
    row = page.locator(".campaigns tbody tr", has=page.locator("summary", has_text=campaign))
    return row.locator("td.number").nth(1)


def test_numbers_change_by_themselves(live: Page, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")
    cell = ready_cell(live, "Spring Renewals")
    expect(cell).to_have_text(str(len(ready)))
    api.act("PAUSE_LEADS", by_ids(ready[:9]))
    expect(cell).to_have_text(str(len(ready) - 9), timeout=_PATIENCE)
    expect(live.locator(".leads tbody tr").first.locator(".state")).to_have_text("PAUSED")


def test_a_request_appears_in_the_log(live: Page, sandbox: SandboxServer, api: Any) -> None:
    expect(live.locator("#requests")).to_contain_text("No requests yet.")
    api.act("PAUSE_LEADS", {"leadIds": [1]})
    row = live.locator(".requests tbody tr").first
    expect(row).to_contain_text("lead_action PAUSE_LEADS", timeout=_PATIENCE)
    expect(row.locator(".status")).to_have_text("200")
    expect(row.locator(".meter")).to_contain_text("1")
    live.get_by_label("Errors and faults only").check()
    expect(live.locator("#requests")).to_contain_text("No requests with errors or faults.")
    sandbox.fault("status", operation="lead_action", status=503)
    api.put_action("PAUSE_LEADS", {})
    expect(live.locator(".requests tbody tr")).to_have_count(1, timeout=_PATIENCE)
    expect(live.locator(".requests .status")).to_have_text("503")
    assert live.get_by_label("Errors and faults only").is_checked()


def test_what_its_user_does_survives_refreshes(live: Page, api: Any, leads: list[Row]) -> None:
    lead = in_state(leads, "READY")[0]
    live.locator("summary", has_text="Spring Renewals").click()
    live.locator("#own-fault summary").click()
    live.locator("#fault-form input[name=times]").fill("7")
    log = live.locator("#leads .scroll").last
    log.evaluate("element => { element.scrollTop = 123 }")
    field = live.get_by_label("Name, phone or id")
    field.press_sequentially(lead["externId"])
    field.evaluate("element => element.setSelectionRange(2, 5)")
    rows = live.locator(".leads tbody tr")
    expect(rows).to_have_count(1)
    api.act("PAUSE_LEADS", by_ids([lead]))
    expect(rows.first).to_contain_text("PAUSED", timeout=_PATIENCE)
    refreshed(live)
    expect(field).to_be_focused()
    expect(field).to_have_value(lead["externId"])
    assert field.evaluate("element => [element.selectionStart, element.selectionEnd]") == [2, 5]
    expect(live.locator("#fault-form input[name=times]")).to_have_value("7")
    for details in ("#own-fault", ".campaigns details >> nth=0"):
        assert live.locator(details).evaluate("element => element.open")
    # A reload shows the same: what was chosen stands in the address.
    assert f"text={lead['externId']}" in live.url


def test_scrolling_survives_refreshes(live: Page, api: Any) -> None:
    leads = live.locator("#leads .scroll").last
    leads.evaluate("element => { element.scrollTop = 200 }")
    live.evaluate("window.scrollTo(0, 300)")
    before = live.evaluate("[scrollY, document.querySelector('#leads .scroll:last-of-type').scrollTop]")
    assert min(before) > 0
    api.get("dialGroups")
    expect(live.locator("#requests")).to_contain_text("dial_groups", timeout=_PATIENCE)
    refreshed(live)
    assert (
        live.evaluate("[scrollY, document.querySelector('#leads .scroll:last-of-type').scrollTop]") == before
    )


def test_choosing_a_campaign_shows_its_lists_and_leads(
    live: Page, api: Any, summer: Row, leads: list[Row]
) -> None:
    movable = in_state(leads, "READY")[:3]
    api.act("MOVE_TO_CAMPAIGN", by_ids(movable), **move_to(summer, LIST_NAME="From the DAG"))
    live.locator("summary", has_text="Summer Win-Back").click()
    live.get_by_role("link", name="lists and leads").click()
    expect(live.get_by_role("heading", name="Lists of Summer Win-Back")).to_be_visible()
    expect(live.locator(".lists tbody tr").first).to_contain_text("From the DAG")
    expect(live.get_by_label("Campaign", exact=True)).to_have_value(str(summer["campaignId"]))
    names = live.locator(".leads tbody tr td:nth-child(7)").all_inner_texts()
    assert set(names) == {"Summer Win-Back"}


def test_a_click_sets_a_fault(live: Page, sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:2]
    live.get_by_role("button", name="Next action: applied, then connection dropped").click()
    expect(live.locator("#message")).to_have_text("Fault set.")
    expect(live.locator(".rules li")).to_contain_text(["drop lead_action when after, triggered 0 of 1"])
    with pytest.raises(OSError):
        api.put_action("PAUSE_LEADS", {"campaignLeadSearchCriteria": by_ids(ready)})
    assert {api.lead(lead["leadId"])["leadState"] for lead in ready} == {"PAUSED"}
    expect(live.locator("#faults")).to_contain_text("No faults set.", timeout=_PATIENCE)
    expect(live.locator(".requests tbody .fault")).to_have_text("drop")


def test_the_form_sets_any_fault_and_says_what_is_wrong(live: Page, api: Any) -> None:
    live.locator("#own-fault summary").click()
    form = live.locator("#fault-form")
    live.get_by_label("kind").select_option("rate_limited")
    form.get_by_label("retry after").fill("4")
    form.get_by_label("operation").select_option("dial_groups")
    form.get_by_label("Only requests #").fill("2, x")
    form.get_by_role("button", name="Set fault").click()
    expect(live.locator("#message.failed")).to_have_text("Failed: at has the invalid value '2, x'.")
    form.get_by_label("Only requests #").fill("2")
    form.get_by_role("button", name="Set fault").click()
    expect(live.locator("#message.done")).to_have_text("Fault set.")
    assert api.get("dialGroups").status_code == 200
    refused = api.get("dialGroups")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "4")


def test_a_fault_is_cleared(live: Page, sandbox: SandboxServer) -> None:
    sandbox.fault("html", operation="campaigns")
    sandbox.fault("hang", operation="lists")
    live.get_by_role("button", name="Clear the fault html").click()
    expect(live.locator(".rules li")).to_have_count(1)
    expect(live.locator(".rules li")).to_contain_text("hang lists")
    live.get_by_role("button", name="Clear all").click()
    expect(live.locator("#faults")).to_contain_text("No faults set.")


def test_the_clock_moves(live: Page, sandbox: SandboxServer) -> None:
    for label, ahead in (("+1 min", "+1 min"), ("+5 min", "+6 min"), ("+1 h", "+1 h 6 min")):
        live.get_by_role("button", name=label, exact=True).click()
        expect(live.locator(".ahead")).to_have_text(ahead)


def test_reset_asks_and_resets(live: Page, sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    api.act("DELETE_LEADS", by_ids(leads[:10]))
    total = live.locator(".facts dd").first
    expect(total).to_have_text("1,290", timeout=_PATIENCE)
    ask = live.get_by_role("dialog", name="Reset all data?")
    live.get_by_role("link", name="Reset").click()
    expect(ask).to_be_visible()
    refreshed(live)
    expect(ask).to_be_visible()
    ask.get_by_role("link", name="Cancel").click()
    expect(ask).to_be_hidden()
    assert len(sandbox.leads()) == 1290
    live.get_by_role("link", name="Reset").click()
    ask.get_by_role("button", name="Reset all data").click()
    expect(live.locator("#message")).to_have_text("All data reset.")
    expect(total).to_have_text("1,300")
    assert len(sandbox.leads()) == 1300


def test_the_mail_s_zip_is_downloaded(live: Page, api: Any, leads: list[Row], tmp_path: Path) -> None:
    api.act("EMAIL_LEADS", by_ids(leads[:5]), EMAIL_TO="ops@example.com")
    with live.expect_download() as download:
        live.get_by_role("link", name="leads-1.zip").click()
    assert download.value.suggested_filename == "leads-1.zip"
    file = tmp_path / "leads.zip"
    download.value.save_as(file)
    with zipfile.ZipFile(file) as archive:
        lines = archive.read("leads-1.csv").decode().splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {str(lead["leadId"]) for lead in leads[:5]}


def test_it_says_when_the_sandbox_is_gone_and_when_it_is_back(page: Page) -> None:
    with SandboxServer(Settings(size=30)) as first:
        opened(page, first)
        port = int(first.url.rpartition(":")[2])
    expect(page.locator("#live")).to_have_text("offline", timeout=_PATIENCE)
    expect(page.locator("#message")).to_contain_text("The sandbox does not respond.")
    with SandboxServer(Settings(size=40), port=port):
        is_live(page)
        expect(page.locator("#message")).to_have_text("Connected to the sandbox again.")
        expect(page.locator(".facts dd").first).to_have_text("40")


def test_a_hidden_page_asks_for_nothing(live: Page) -> None:
    asked: list[str] = []
    live.on("request", lambda request: asked.append(request.url))
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange'))"
    live.evaluate(hide % "true")
    expect(live.locator("#live")).to_have_text("paused")
    asked.clear()
    # Were the timer still running, it would ask within this time, which is the page's own second and a half.
    live.evaluate("new Promise(done => setTimeout(done, 1500))")
    assert asked == []
    live.evaluate(hide % "false")
    is_live(live)
    assert asked


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_it_fits_the_window(page: Page, sandbox: SandboxServer, api: Any, spring: Row, width: int) -> None:
    api.act("EMAIL_LEADS", {"campaignIds": [spring["campaignId"]]}, EMAIL_TO=f"{'x' * 60}@example.com")
    api.get(f"dialGroups/{'9' * 80}")
    page.set_viewport_size({"width": width, "height": 800})
    opened(page, sandbox, f"?campaign={spring['campaignId']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_everything_works_without_the_script(browser: Browser, sandbox: SandboxServer, spring: Row) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(sandbox.url)
    page.get_by_label("Campaign", exact=True).select_option("Spring Renewals")
    page.locator("#filter").get_by_role("button", name="Show").click()
    assert f"campaign={spring['campaignId']}" in page.url
    expect(page.get_by_role("heading", name="Lists of Spring Renewals")).to_be_visible()
    page.get_by_role("button", name="+1 h", exact=True).click()
    expect(page.locator(".ahead")).to_have_text("+1 h")
    page.locator("#own-fault summary").click()
    page.get_by_label("kind").select_option("status")
    page.get_by_role("button", name="Show options").click()
    page.get_by_role("button", name="Set fault").click()
    expect(page.locator(".rules li")).to_contain_text(re.compile("status any operation"))
    page.get_by_role("link", name="Reset").click()
    page.get_by_role("button", name="Reset all data").click()
    expect(page.locator("#message")).to_have_text("All data reset.")
    expect(page.locator("#faults")).to_contain_text("No faults set.")
    expect(page.get_by_role("heading", name="Lists of Spring Renewals")).to_be_visible()
    context.close()
