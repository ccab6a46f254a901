"""pytest plugin in a separate test project, run by pytest in a subprocess."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox import pytest_plugin
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings


class Project:
    """A test project with this package installed and no configuration for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers --strict-config\n")

    def write(self, **files: str) -> Project:
        for name, text in files.items():
            (self.folder / f"{name}.py").write_text(text)
        return self

    def run(self, *arguments: str, **variables: str) -> tuple[dict[str, int], str]:
        """Run pytest; return the number of tests by outcome, and the output.

        Other plugins are disabled unless arguments enable them: some take seconds to load.
        """
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTEST"))
        }
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", "-p", "ringcx_sandbox", *arguments],
            cwd=self.folder,
            env={
                **environment,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                **variables,
            },
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        summary = done.stdout.strip().rpartition("\n")[2]
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", summary)}
        return counts, done.stdout + done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_entry_point_loads_plugin() -> None:
    (point,) = entry_points(group="pytest11", name="ringcx_sandbox")
    assert point.load() is pytest_plugin


USED = """
import json, os, urllib.request
import pytest

def count(sandbox):
    return len(sandbox.leads(campaign="Spring Renewals"))

@pytest.mark.parametrize("number", [1, 2])
def test_everything(ringcx_sandbox, number):
    sandbox = ringcx_sandbox
    assert json.loads(os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"]) == sandbox.connection
    assert sandbox.connection["host"] == sandbox.url
    assert sandbox.connection_for("legacy")["extra"]["auth_method"] == "legacy"
    assert sandbox.campaign("Spring Renewals")["isActive"]
    # No requests and no deleted leads of the other test.
    assert (sandbox.requests, sandbox.outbox) == ([], [])
    account = sandbox.connection["extra"]["account_id"]
    path = f"/voice/api/v1/admin/accounts/{account}/campaignLeads/actions?leadAction=DELETE_LEADS"
    criteria = {"campaignIds": [sandbox.campaign("Spring Renewals")["campaignId"]]}
    body = {"campaignLeadSearchCriteria": criteria}
    request = urllib.request.Request(
        sandbox.url + path, json.dumps(body).encode(), {"X-Auth-Token": "sandbox-token"}, method="PUT"
    )
    assert count(sandbox) > 10
    sandbox.fault("status", status=503, operation="lead_action")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(request)
    assert count(sandbox) > 10
    urllib.request.urlopen(request)
    assert count(sandbox) < 10
    sandbox.fault("status", status=503)
    sandbox.clear_faults()
    urllib.request.urlopen(request)
    sandbox.advance(seconds=400)
    sandbox.expire_tokens()
    assert [r.status for r in sandbox.requests] == [503, 200, 200]
    sandbox.reset()
    assert sandbox.requests == []
    assert count(sandbox) > 10
    urllib.request.urlopen(request)

def test_connection_is_removed_afterwards():
    assert "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT" not in os.environ
"""


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n", "2")], ids=["one-process", "xdist"])
def test_fixture_is_a_separate_sandbox_for_each_test(project: Project, arguments: tuple[str, ...]) -> None:
    counts, text = project.write(test_used=USED).run(*arguments)
    assert counts == {"passed": 3}, text


SETTINGS = """
import json, os
import pytest

pytestmark = pytest.mark.ringcx_sandbox(size=40, limits="off")

def test_module_marker(ringcx_sandbox, ringcx_settings):
    assert len(ringcx_sandbox.leads()) == 40
    assert ringcx_settings.row_cap == 7

@pytest.mark.ringcx_sandbox(size=50, conn_id="ringcx_east")
def test_own_marker(ringcx_sandbox):
    assert len(ringcx_sandbox.leads()) == 50
    assert json.loads(os.environ["AIRFLOW_CONN_RINGCX_EAST"]) == ringcx_sandbox.connection
    assert "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT" not in os.environ

@pytest.mark.ringcx_sandbox(conn_id=["one", "two"])
def test_two_connections(ringcx_sandbox):
    assert len(ringcx_sandbox.leads()) == 40
    assert os.environ["AIRFLOW_CONN_ONE"] == os.environ["AIRFLOW_CONN_TWO"]
"""
CONFTEST = """
import pytest
from airflow_provider_engagevoice.sandbox.settings import Settings

@pytest.fixture
def ringcx_settings():
    return Settings(size=60, row_cap=7)
"""


def test_settings_come_from_marker_fixture_or_default(project: Project) -> None:
    plain = "def test_plain(ringcx_sandbox):\n    assert len(ringcx_sandbox.leads()) == 60\n"
    counts, text = project.write(conftest=CONFTEST, test_settings=SETTINGS, test_plain=plain).run()
    assert counts == {"passed": 4}, text


def test_settings_default_to_environment(project: Project) -> None:
    project.write(test_size="def test_size(ringcx_sandbox):\n    assert len(ringcx_sandbox.leads()) == 30\n")
    counts, text = project.run(ENGAGEVOICE_SANDBOX_SIZE="30", PYTEST_DISABLE_PLUGIN_AUTOLOAD="")
    assert counts == {"passed": 1}, text


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("sise=5", "The marker ringcx_sandbox has no option 'sise'; its options are conn_id, column_base"),
        ("limits='on'", "The marker ringcx_sandbox: limits must be one of documented, off, not 'on'"),
        ("500", "The marker ringcx_sandbox accepts keyword arguments only, not 500"),
    ],
)
def test_invalid_marker_fails_test_with_message(project: Project, marker: str, message: str) -> None:
    project.write(
        test_wrong=f"import pytest\n\n@pytest.mark.ringcx_sandbox({marker})\n"
        "def test_it(ringcx_sandbox):\n    pass\n\ndef test_other(ringcx_sandbox):\n    pass\n"
    )
    counts, text = project.run()
    assert counts == {"passed": 1, "error": 1}
    assert message in text
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text


OVERRIDE = """
import os
import pytest

@pytest.fixture(autouse=True)
def earlier(monkeypatch):
    monkeypatch.setenv("SOMETHING", "else")

def test_overrides_it(monkeypatch, ringcx_sandbox):
    monkeypatch.setenv("AIRFLOW_CONN_ENGAGEVOICE_DEFAULT", "changed")

def test_finds_original_value():
    assert os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"] == "real"
"""


def test_existing_connection_is_restored(project: Project) -> None:
    counts, text = project.write(test_it=OVERRIDE).run(AIRFLOW_CONN_ENGAGEVOICE_DEFAULT="real")
    assert counts == {"passed": 2}, text


PROXY = """
import os, requests

def test_it(ringcx_sandbox):
    assert requests.get(ringcx_sandbox.url, timeout=5).status_code == 200
    assert "mine.example" in os.environ["no_proxy"]

def test_proxy_variables_are_restored():
    assert os.environ["NO_PROXY"] == "mine.example"
    assert "no_proxy" not in os.environ
"""


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_proxy_is_bypassed(project: Project, variable: str) -> None:
    project.write(test_it=PROXY)
    counts, text = project.run(**{variable: "http://127.0.0.1:9", "NO_PROXY": "mine.example"})
    assert counts == {"passed": 2}, text


UNUSED = """
import sys

def test_only_the_plugin_was_imported():
    assert "airflow_provider_engagevoice.sandbox.pytest_plugin" in sys.modules
    ours = {name for name in sys.modules if name.startswith("airflow_provider_engagevoice")}
    assert ours == {
        "airflow_provider_engagevoice",
        "airflow_provider_engagevoice.sandbox",
        "airflow_provider_engagevoice.sandbox.pytest_plugin",
    }
    assert {"airflow", "starlette", "uvicorn", "jinja2", "requests", "sqlite3"} & set(sys.modules) == set()
"""


def test_unused_plugin_imports_no_other_module(project: Project) -> None:
    project.write(test_it=UNUSED)
    counts, text = project.run()
    assert counts == {"passed": 1}, text


def test_missing_extra_fails_only_tests_that_use_fixture(project: Project) -> None:
    project.write(
        conftest="import sys\nsys.modules['uvicorn'] = None\n",
        test_it="def test_asks(ringcx_sandbox):\n    pass\n\ndef test_other():\n    pass\n",
    )
    counts, text = project.run()
    assert counts == {"passed": 1, "error": 1}
    assert 'pip install "airflow-provider-engagevoice[sandbox]"' in text
    assert "pytest_plugin.py" not in text


def test_connection_id_is_default_of_hook() -> None:
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    assert EngageVoiceHook.default_conn_name == pytest_plugin.CONNECTION


@pytest.mark.parametrize(("kind", "options"), [("hang", {}), ("slow", {"seconds": 50, "when": "after"})])
def test_server_stops_without_waiting_for_requests(kind: str, options: dict[str, Any]) -> None:
    arrived, ended = threading.Event(), threading.Event()
    with SandboxServer(Settings(size=10)) as server, requests.Session() as session:
        session.trust_env = False
        session.get(f"{server.url}/sandbox/faults", timeout=5)  # the connection stays open
        server.fault("meanwhile", work=arrived.set)
        server.fault(kind, **options)

        def send() -> None:
            # The slow request may still receive its response, early.
            with contextlib.suppress(requests.ConnectionError):
                requests.post(f"{server.url}/restapi/oauth/token", timeout=30)
            ended.set()

        threading.Thread(target=send, daemon=True).start()
        assert arrived.wait(5)
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert ended.wait(5)


def test_server_starts_in_under_100_ms() -> None:
    times = []
    for _ in range(6):
        began = time.perf_counter()
        with SandboxServer(Settings(size=1000)) as server:
            assert json.dumps(server.connection)
        times.append(time.perf_counter() - began)
    assert min(times[1:]) < 0.1
