"""Faults set on the sandbox's page, without its script."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.faults.registry import HTTP_FAULT_KINDS, FAULT_KINDS
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.ui import faults
from tests.sandbox.support.pages import Text, look, post

Row = dict[str, Any]


def test_faults_are_set_shown_and_cleared(sandbox: SandboxServer, api: Any) -> None:
    assert "No faults set." in look(sandbox)["faults"]
    form = {"kind": "rate_limited", "operation": "lead_action", "leadAction": "PAUSE_LEADS", "times": "2"}
    assert "Fault set." in post(sandbox, "fault", **form, retry_after="").text
    post(sandbox, "fault", kind="slow", delay="0", chance="0.5")
    assert "rate_limited lead_action PAUSE_LEADS, triggered 0 of 2 Clear" in look(sandbox)["faults"]
    assert api.put_action("READY_LEADS", {"campaignLeadSearchCriteria": {"leadIds": [1]}}).status_code == 200
    refused = api.put_action("PAUSE_LEADS", {})
    assert (refused.status_code, "Retry-After" in refused.headers) == (429, False)
    assert "triggered 1 of 2" in look(sandbox)["faults"]
    first, second = (
        rule["number"] for rule in requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    )
    post(sandbox, "fault/clear", number=first)
    assert "rate_limited lead_action" not in look(sandbox)["faults"]
    assert requests.delete(f"{sandbox.url}/sandbox/faults/{second}", timeout=20).status_code == 200
    assert requests.delete(f"{sandbox.url}/sandbox/faults/{second}", timeout=20).status_code == 404
    post(sandbox, "fault", kind="html", times="5")
    post(sandbox, "faults/clear")
    assert "No faults set." in look(sandbox)["faults"]


@pytest.mark.parametrize("preset", faults.PRESETS, ids=[preset.label for preset in faults.PRESETS])
def test_ready_made_faults_can_be_set(sandbox: SandboxServer, preset: faults.Preset) -> None:
    assert preset.label in look(sandbox)["faults"]
    assert post(sandbox, "fault", **preset.asked).status_code == 200
    (rule,) = requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    assert rule["kind"] == preset.asked["kind"]


@pytest.mark.parametrize("kind", sorted(HTTP_FAULT_KINDS))
def test_the_form_as_it_comes_sets_every_kind(sandbox: SandboxServer, kind: str) -> None:
    page = requests.get(sandbox.url, params={"kind": kind}, timeout=20).text
    form = page[page.index('id="fault-form"') :].partition("</form>")[0]
    fields = dict(re.findall(r'<input[^>]* name="(\w+)"(?:[^>]*? value="([^"]*)")?', form))
    assert "kind" in fields or f'name="kind" value="{kind}"' in form
    answer = post(sandbox, "fault", **{name: html.unescape(value) for name, value in fields.items()})
    assert answer.status_code == 200, Text(answer.text).parts["message"]
    (rule,) = requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()
    assert (rule["kind"], rule["operation"]) == (kind, "*")


def test_only_what_python_alone_can_set_is_missing_from_the_form() -> None:
    assert set(FAULT_KINDS) - set(HTTP_FAULT_KINDS) == {"meanwhile"}


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ({}, "kind must be one of"),
        ({"kind": "meanwhile"}, "kind must be one of"),
        ({"kind": "status", "operation": "nothing"}, "operation must be one of"),
        ({"kind": "status", "status": "many"}, "status cannot be"),
        ({"kind": "status", "at": "1,x"}, "at cannot be"),
        ({"kind": "status", "chance": "2"}, "chance must"),
        ({"kind": "drop", "when": "later"}, "when must be"),
        ({"kind": "answer", "headers": "["}, "headers cannot be"),
    ],
    ids=str,
)
def test_a_fault_that_makes_no_sense_is_refused(sandbox: SandboxServer, form: Row, problem: str) -> None:
    answer = post(sandbox, "fault", **form)
    assert answer.status_code == 400
    assert f"Failed: {problem}" in html.unescape(Text(answer.text).parts["message"])
    assert requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json() == []


@pytest.mark.parametrize("number", ["", "9" * 5000, "1.5", "x"], ids=lambda number: number[:5] or "empty")
def test_a_number_of_no_fault_is_refused_in_words(sandbox: SandboxServer, number: str) -> None:
    sandbox.fault("html")
    answer = post(sandbox, "fault/clear", number=number)
    assert answer.status_code == 400
    message = Text(answer.text).parts["message"]
    assert message == "Failed: number must be a whole number."
    assert len(requests.get(f"{sandbox.url}/sandbox/faults", timeout=20).json()) == 1
