"""Panel of the dashboard that shows how to connect Airflow."""

from __future__ import annotations

import html
import json
import re
import shlex

import pytest
import requests

from airflow_provider_engagevoice.get_provider_info import AUTH_METHODS, EXTRA_FIELDS, HOOK_NAME, RELABELING
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.ui.connect import LABELS, connection_examples


@pytest.mark.parametrize("number", range(4), ids=AUTH_METHODS)
def test_commands_and_form_values_define_connection(sandbox: SandboxServer, number: int) -> None:
    example = connection_examples(sandbox.url)[number]
    connection = sandbox.connection_for(AUTH_METHODS[number])
    assert example.method == AUTH_METHODS[number]
    (_, variable), (_, command) = example.commands
    export, assignment = shlex.split(variable)
    name, _, value = assignment.partition("=")
    assert (export, name) == ("export", "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT")
    assert json.loads(value) == connection
    assert shlex.split(command)[:5] == ["airflow", "connections", "add", "engagevoice_default", "--conn-json"]
    assert json.loads(shlex.split(command)[5]) == connection
    fields = dict(example.fields)
    assert fields.pop("Connection ID") == "engagevoice_default"
    assert fields.pop("Connection Type") == HOOK_NAME
    given = {**connection, **connection["extra"]}
    assert fields == {LABELS[name]: value for name, value in given.items() if name in LABELS}


def test_labels_are_those_of_the_form() -> None:
    form = {**RELABELING, **{name: field["label"] for name, field in EXTRA_FIELDS.items()}}
    assert {name: form[name] for name in LABELS} == LABELS


def test_page_shows_connection_of_its_address(sandbox: SandboxServer) -> None:
    page = requests.get(sandbox.url, timeout=20).text
    shown = [html.unescape(code) for code in re.findall(r"<pre><code>(.*?)</code></pre>", page)]
    assert len(shown) == 8
    assert json.loads(shlex.split(shown[1])[5]) == sandbox.connection
