"""Fault form of the dashboard, without JavaScript."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.faults.registry import FAULT_KINDS, HTTP_FAULT_KINDS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.ui import faults
from tests.sandbox.support.pages import Text, page_text, post

Row = dict[str, Any]


def test_fault_form_sets_shows_and_clears_faults(sandbox: SandboxServer, api: Any) -> None:
    assert "No faults set." in page_text(sandbox)["faults"]
    form = {"kind": "rate_limited", "operation": "lead_action", "leadAction": "PAUSE_LEADS", "times": "2"}
    assert "Fault set." in post(sandbox, "fault", **form, retry_after="").text
    post(sandbox, "fault", kind="slow", delay="0", chance="0.5")
    assert "rate_limited lead_action PAUSE_LEADS, triggered 0 of 2 Clear" in page_text(sandbox)["faults"]
    assert api.put_action("READY_LEADS", {"campaignLeadSearchCriteria": {"leadIds": [1]}}).status_code == 200
    limited = api.put_action("PAUSE_LEADS", {})
    assert (limited.status_code, "Retry-After" in limited.headers) == (429, False)
    assert "triggered 1 of 2" in page_text(sandbox)["faults"]
    first, second = (
        rule["number"] for rule in requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    )
    post(sandbox, "fault/clear", number=first)
    assert "rate_limited lead_action" not in page_text(sandbox)["faults"]
    assert requests.delete(f"{sandbox.url}/sandbox/faults/{second}", timeout=20).status_code == 200
    assert requests.delete(f"{sandbox.url}/sandbox/faults/{second}", timeout=20).status_code == 404
    post(sandbox, "fault", kind="html", times="5")
    post(sandbox, "faults/clear")
    assert "No faults set." in page_text(sandbox)["faults"]


@pytest.mark.parametrize("preset", faults.PRESETS, ids=[preset.label for preset in faults.PRESETS])
def test_fault_preset_sets_its_fault(sandbox: SandboxServer, preset: faults.Preset) -> None:
    assert preset.label in page_text(sandbox)["faults"]
    assert post(sandbox, "fault", **preset.fields).status_code == 200
    (rule,) = requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    assert rule["kind"] == preset.fields["kind"]


@pytest.mark.parametrize("kind", sorted(HTTP_FAULT_KINDS))
def test_fault_form_with_defaults_sets_each_kind(sandbox: SandboxServer, kind: str) -> None:
    page = requests.get(sandbox.url, params={"kind": kind}, timeout=20).text
    form = page[page.index('id="fault-form"') :].partition("</form>")[0]
    fields = dict(re.findall(r'<input[^>]* name="(\w+)"(?:[^>]*? value="([^"]*)")?', form))
    assert "kind" in fields or f'name="kind" value="{kind}"' in form
    response = post(sandbox, "fault", **{name: html.unescape(value) for name, value in fields.items()})
    assert response.status_code == 200, Text(response.text).parts["message"]
    (rule,) = requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    assert (rule["kind"], rule["operation"]) == (kind, "*")


def test_fault_form_lacks_only_kinds_with_functions() -> None:
    assert set(FAULT_KINDS) - set(HTTP_FAULT_KINDS) == {"meanwhile"}


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({}, "kind must be one of"),
        ({"kind": "meanwhile"}, "kind must be one of"),
        ({"kind": "status", "operation": "nothing"}, "operation must be one of"),
        ({"kind": "status", "status": "many"}, "status has the invalid value"),
        ({"kind": "status", "at": "1,x"}, "at has the invalid value"),
        ({"kind": "status", "chance": "2"}, "chance must"),
        ({"kind": "drop", "when": "later"}, "when must be"),
        ({"kind": "answer", "headers": "["}, "headers has the invalid value"),
    ],
    ids=str,
)
def test_fault_form_invalid_value_returns_400(sandbox: SandboxServer, form: Row, problem: str) -> None:
    response = post(sandbox, "fault", **form)
    assert response.status_code == 400
    assert f"Failed: {problem}" in html.unescape(Text(response.text).parts["message"])
    assert requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json() == []


@pytest.mark.parametrize("number", ["", "9" * 5000, "1.5", "x"], ids=lambda number: number[:5] or "empty")
def test_clear_fault_invalid_number_returns_400(sandbox: SandboxServer, number: str) -> None:
    sandbox.fault("html")
    response = post(sandbox, "fault/clear", number=number)
    assert response.status_code == 400
    message = Text(response.text).parts["message"]
    assert message == "Failed: number must be a whole number."
    assert len(requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()) == 1
