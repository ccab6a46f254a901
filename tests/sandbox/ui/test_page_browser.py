"""Dashboard in a browser: updates in place, which keep the user's input."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.sandbox.support.leads import by_ids, in_state, move_params

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

sync_api = pytest.importorskip(
    "playwright.sync_api", reason="browser tests require playwright: pip install playwright"
)
expect = sync_api.expect

Row = dict[str, Any]

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_TIMEOUT_MS = 15_000


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
    """A page that fails the test on console messages and JavaScript errors."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    context.set_default_timeout(_TIMEOUT_MS)
    problems: list[str] = []
    new_page = context.new_page()
    new_page.on("console", lambda message: problems.append(message.text))
    new_page.on("pageerror", lambda error: problems.append(str(error)))
    yield new_page
    context.close()
    # Chromium logs rejected forms and requests without a response.
    expected = ("net::ERR_CONNECTION", "the server responded with a status of 400")
    assert [text for text in problems if not any(each in text for each in expected)] == []


@pytest.fixture
def live(page: Page, sandbox: SandboxServer) -> Page:
    """The dashboard, after its first update."""
    return open_page(page, sandbox)


def open_page(page: Page, sandbox: SandboxServer, query: str = "") -> Page:
    page.goto(f"{sandbox.url}/{query}")
    wait_until_live(page)
    return page


def wait_until_live(page: Page) -> None:
    expect(page.locator("#live")).to_have_text("live", timeout=_TIMEOUT_MS)


def wait_for_refresh(page: Page) -> None:
    """Wait until the page has fetched and shown an update."""
    with page.expect_response(lambda response: response.request.method == "GET"):
        pass
    with page.expect_response(lambda response: response.request.method == "GET"):
        pass


def ready_cell(page: Page, campaign: str) -> Any:
    row = page.locator(".campaigns tbody tr", has=page.locator("summary", has_text=campaign))
    return row.locator("td.number").nth(1)


def test_counts_update_without_reload(live: Page, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")
    cell = ready_cell(live, "Spring Renewals")
    expect(cell).to_have_text(str(len(ready)))
    api.act("PAUSE_LEADS", by_ids(ready[:9]))
    expect(cell).to_have_text(str(len(ready) - 9), timeout=_TIMEOUT_MS)
    expect(live.locator(".leads tbody tr").first.locator(".state")).to_have_text("PAUSED")


def test_requests_new_request_appears(live: Page, sandbox: SandboxServer, api: Any) -> None:
    expect(live.locator("#requests")).to_contain_text("No requests yet.")
    api.act("PAUSE_LEADS", {"leadIds": [1]})
    row = live.locator(".requests tbody tr").first
    expect(row).to_contain_text("lead_action PAUSE_LEADS", timeout=_TIMEOUT_MS)
    expect(row.locator(".status")).to_have_text("200")
    expect(row.locator(".meter")).to_contain_text("1")
    live.get_by_label("Errors and faults only").check()
    expect(live.locator("#requests")).to_contain_text("No requests with errors or faults.")
    sandbox.fault("status", operation="lead_action", status=503)
    api.put_action("PAUSE_LEADS", {})
    expect(live.locator(".requests tbody tr")).to_have_count(1, timeout=_TIMEOUT_MS)
    expect(live.locator(".requests .status")).to_have_text("503")
    assert live.get_by_label("Errors and faults only").is_checked()


def test_refresh_keeps_user_input(live: Page, api: Any, leads: list[Row]) -> None:
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
    expect(rows.first).to_contain_text("PAUSED", timeout=_TIMEOUT_MS)
    wait_for_refresh(live)
    expect(field).to_be_focused()
    expect(field).to_have_value(lead["externId"])
    assert field.evaluate("element => [element.selectionStart, element.selectionEnd]") == [2, 5]
    expect(live.locator("#fault-form input[name=times]")).to_have_value("7")
    for details in ("#own-fault", ".campaigns details >> nth=0"):
        assert live.locator(details).evaluate("element => element.open")
    # The filter is in the URL, so that a reload keeps it.
    assert f"text={lead['externId']}" in live.url


def test_refresh_keeps_scroll_position(live: Page, api: Any) -> None:
    leads = live.locator("#leads .scroll").last
    leads.evaluate("element => { element.scrollTop = 200 }")
    live.evaluate("window.scrollTo(0, 300)")
    before = live.evaluate("[scrollY, document.querySelector('#leads .scroll:last-of-type').scrollTop]")
    assert min(before) > 0
    api.get("dialGroups")
    expect(live.locator("#requests")).to_contain_text("dial_groups", timeout=_TIMEOUT_MS)
    wait_for_refresh(live)
    assert (
        live.evaluate("[scrollY, document.querySelector('#leads .scroll:last-of-type').scrollTop]") == before
    )


def test_campaign_link_shows_lists_and_leads(live: Page, api: Any, summer: Row, leads: list[Row]) -> None:
    movable = in_state(leads, "READY")[:3]
    api.act("MOVE_TO_CAMPAIGN", by_ids(movable), **move_params(summer, LIST_NAME="From the DAG"))
    live.locator("summary", has_text="Summer Win-Back").click()
    live.get_by_role("link", name="lists and leads").click()
    expect(live.get_by_role("heading", name="Lists of Summer Win-Back")).to_be_visible()
    expect(live.locator(".lists tbody tr").first).to_contain_text("From the DAG")
    expect(live.get_by_label("Campaign", exact=True)).to_have_value(str(summer["campaignId"]))
    names = live.locator(".leads tbody tr td:nth-child(7)").all_inner_texts()
    assert set(names) == {"Summer Win-Back"}


def test_preset_button_sets_fault(live: Page, sandbox: SandboxServer, api: Any, leads: list[Row]) -> None:
    ready = in_state(leads, "READY")[:2]
    live.get_by_role("button", name="Next action: applied, then connection dropped").click()
    expect(live.locator("#message")).to_have_text("Fault set.")
    expect(live.locator(".rules li")).to_contain_text(["drop lead_action when after, triggered 0 of 1"])
    with pytest.raises(requests.ConnectionError):
        api.put_action("PAUSE_LEADS", {"campaignLeadSearchCriteria": by_ids(ready)})
    assert {api.lead(lead["leadId"])["leadState"] for lead in ready} == {"PAUSED"}
    expect(live.locator("#faults")).to_contain_text("No faults set.", timeout=_TIMEOUT_MS)
    expect(live.locator(".requests tbody .fault")).to_have_text("drop")


def test_fault_form_sets_fault_and_shows_errors(live: Page, api: Any) -> None:
    live.locator("#own-fault summary").click()
    form = live.locator("#fault-form")
    live.get_by_label("Kind").select_option("rate_limited")
    form.get_by_label("Retry after").fill("4")
    form.get_by_label("Operation").select_option("dial_groups")
    form.get_by_label("Only requests #").fill("2, x")
    form.get_by_role("button", name="Set fault").click()
    expect(live.locator("#message.failed")).to_have_text("Failed: at has the invalid value '2, x'.")
    form.get_by_label("Only requests #").fill("2")
    form.get_by_role("button", name="Set fault").click()
    expect(live.locator("#message.done")).to_have_text("Fault set.")
    assert api.get("dialGroups").status_code == 200
    limited = api.get("dialGroups")
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "4")


def test_clear_buttons_clear_faults(live: Page, sandbox: SandboxServer) -> None:
    sandbox.fault("html", operation="campaigns")
    sandbox.fault("hang", operation="lists")
    live.get_by_role("button", name="Clear the fault html").click()
    expect(live.locator(".rules li")).to_have_count(1)
    expect(live.locator(".rules li")).to_contain_text("hang lists")
    live.get_by_role("button", name="Clear all").click()
    expect(live.locator("#faults")).to_contain_text("No faults set.")


def test_clock_buttons_advance_clock(live: Page, sandbox: SandboxServer) -> None:
    for label, ahead in (("+1 min", "+1 min"), ("+5 min", "+6 min"), ("+1 h", "+1 h 6 min")):
        live.get_by_role("button", name=label, exact=True).click()
        expect(live.locator(".ahead")).to_have_text(ahead)


def test_reset_dialog_cancels_and_resets(
    live: Page, sandbox: SandboxServer, api: Any, leads: list[Row]
) -> None:
    api.act("DELETE_LEADS", by_ids(leads[:10]))
    total = live.locator(".facts dd").first
    expect(total).to_have_text("1,290", timeout=_TIMEOUT_MS)
    ask = live.get_by_role("dialog", name="Reset all data?")
    live.get_by_role("link", name="Reset").click()
    expect(ask).to_be_visible()
    wait_for_refresh(live)
    expect(ask).to_be_visible()
    ask.get_by_role("link", name="Cancel").click()
    expect(ask).to_be_hidden()
    assert len(sandbox.leads()) == 1290
    live.get_by_role("link", name="Reset").click()
    ask.get_by_role("button", name="Reset all data").click()
    expect(live.locator("#message")).to_have_text("All data reset.")
    expect(total).to_have_text("1,300")
    assert len(sandbox.leads()) == 1300


def test_mail_link_downloads_zip(live: Page, api: Any, leads: list[Row], tmp_path: Path) -> None:
    api.act("EMAIL_LEADS", by_ids(leads[:5]), EMAIL_TO="ops@example.com")
    with live.expect_download() as download:
        live.get_by_role("link", name="leads-1.zip").click()
    assert download.value.suggested_filename == "leads-1.zip"
    file = tmp_path / "leads.zip"
    download.value.save_as(file)
    with zipfile.ZipFile(file) as archive:
        lines = archive.read("leads-1.csv").decode().splitlines()
    assert {line.split(",")[0] for line in lines[1:]} == {str(lead["leadId"]) for lead in leads[:5]}


def test_status_follows_sandbox_restart(page: Page) -> None:
    with SandboxServer(Settings(size=30)) as first:
        open_page(page, first)
        port = int(first.url.rpartition(":")[2])
    expect(page.locator("#live")).to_have_text("offline", timeout=_TIMEOUT_MS)
    expect(page.locator("#message")).to_contain_text("The sandbox does not respond.")
    with SandboxServer(Settings(size=40), port=port):
        wait_until_live(page)
        expect(page.locator("#message")).to_have_text("Connected to the sandbox again.")
        expect(page.locator(".facts dd").first).to_have_text("40")


def test_hidden_page_sends_no_requests(live: Page) -> None:
    sent: list[str] = []
    live.on("request", lambda request: sent.append(request.url))
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    hide += " document.dispatchEvent(new Event('visibilitychange'))"
    live.evaluate(hide % "true")
    expect(live.locator("#live")).to_have_text("paused")
    sent.clear()
    # A running timer would send a request within this time.
    live.evaluate("new Promise(done => setTimeout(done, 1500))")
    assert sent == []
    live.evaluate(hide % "false")
    wait_until_live(live)
    assert sent


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_page_fits_window_width(
    page: Page, sandbox: SandboxServer, api: Any, spring: Row, width: int
) -> None:
    api.act("EMAIL_LEADS", {"campaignIds": [spring["campaignId"]]}, EMAIL_TO=f"{'x' * 60}@example.com")
    api.get(f"dialGroups/{'9' * 80}")
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, sandbox, f"?campaign={spring['campaignId']}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_page_works_without_javascript(browser: Browser, sandbox: SandboxServer, spring: Row) -> None:
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
    page.get_by_label("Kind").select_option("status")
    page.get_by_role("button", name="Show options").click()
    page.get_by_role("button", name="Set fault").click()
    expect(page.locator(".rules li")).to_contain_text(re.compile("status any operation"))
    page.get_by_role("link", name="Reset").click()
    page.get_by_role("button", name="Reset all data").click()
    expect(page.locator("#message")).to_have_text("All data reset.")
    expect(page.locator("#faults")).to_contain_text("No faults set.")
    expect(page.get_by_role("heading", name="Lists of Spring Renewals")).to_be_visible()
    context.close()


def test_copy_button_copies_command(live: Page, sandbox: SandboxServer) -> None:
    live.context.grant_permissions(["clipboard-read", "clipboard-write"])
    live.get_by_role("button", name="Copy: Environment variable, RingCentral JWT (default)").click()
    expect(live.locator("#message")).to_have_text("Copied.")
    copied = live.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("export AIRFLOW_CONN_ENGAGEVOICE_DEFAULT=")
    assert sandbox.url in copied
