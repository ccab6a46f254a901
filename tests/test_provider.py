"""The installed package in Airflow: provider discovery and output of Airflow's commands."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

import pytest

from airflow_provider_engagevoice import __version__
from airflow_provider_engagevoice.get_provider_info import (
    EXTRA_FIELDS,
    HIDDEN_FIELDS,
    HOOK_NAME,
    RELABELING,
    get_provider_info,
)
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

PACKAGE = "airflow-provider-engagevoice"
MODULES = "airflow_provider_engagevoice"
ROOT = Path(__file__).resolve().parent.parent
AIRFLOW = version("apache-airflow")


def _discoverable() -> bool:
    try:
        return any(point.group == "apache_airflow_provider" for point in distribution(PACKAGE).entry_points)
    except PackageNotFoundError:
        return False


pytestmark = pytest.mark.skipif(
    not _discoverable(),
    reason=f"Airflow discovers installed packages only; run pip install -e . ({PACKAGE})",
)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a separate process that shows all warnings."""
    return subprocess.run(
        [sys.executable, "-W", "default", *arguments],
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def problems(text: str) -> list[str]:
    """Return the lines of a log that are warnings or errors about this package."""
    for folder in (sys.prefix, str(ROOT)):  # paths that contain the package's name
        text = text.replace(folder, "")
    return [
        line
        for line in text.splitlines()
        if re.search("warn|error|exception|deprecat", line, re.I)
        and re.search("engage_?voice|ringcx", line, re.I)
    ]


_DISCOVER = """
import json
from airflow.providers_manager import ProvidersManager

try:
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
except ImportError:  # Airflow 2
    manager = ProvidersManager()
    behaviour = manager.field_behaviours["engagevoice"]
    prefix = "extra__engagevoice__"
    widgets = {name: w for name, w in manager.connection_form_widgets.items() if name.startswith(prefix)}
    form = {
        "labels": behaviour["relabeling"],
        "hidden": behaviour["hidden_fields"],
        "secret": {name.removeprefix(prefix): widget.is_sensitive for name, widget in widgets.items()},
    }
else:  # First, as in the API server: Airflow 3.1 imports the hook for the form.
    (meta,) = (meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "engagevoice")
    fields = (meta.standard_fields.model_dump() if meta.standard_fields else {}).items()
    extra = (meta.extra_fields or {}).items()
    form = {
        "labels": {name: field["title"] for name, field in fields if field and field["title"]},
        "hidden": [name.removeprefix("url_") for name, field in fields if field and field["hidden"]],
        "secret": {name: field["schema"].get("format") == "password" for name, field in extra},
    }
manager = ProvidersManager()
hook = manager.hooks["engagevoice"]
print("FOUND" + json.dumps({
    "version": manager.providers["airflow-provider-engagevoice"].version,
    "hook": [hook.hook_class_name, hook.hook_name, hook.connection_id_attribute_name],
    "testable": hook.connection_testable,
    "form": form,
}))
"""


def test_airflow_discovers_connection_type_and_form(airflow_home: Path) -> None:
    done = run("-c", _DISCOVER)
    assert done.returncode == 0, done.stderr
    assert problems(done.stdout + done.stderr) == []
    found = json.loads(done.stdout.rpartition("FOUND")[2])
    form = found.pop("form")
    assert found == {
        "version": __version__,
        "hook": [f"{MODULES}.hooks.engagevoice.EngageVoiceHook", HOOK_NAME, "engagevoice_conn_id"],
        "testable": True,
    }
    if AIRFLOW.startswith("3.0."):  # which shows no extra fields if FAB is not installed
        assert form["secret"] == {}
        return
    assert form == {
        "labels": RELABELING,
        "hidden": list(HIDDEN_FIELDS),
        "secret": {name: field["schema"].get("format") == "password" for name, field in EXTRA_FIELDS.items()},
    }
    assert form["secret"]["jwt_token"]


def test_airflow_providers_get_lists_the_modules(airflow_home: Path) -> None:
    done = run("-m", "airflow", "providers", "get", PACKAGE, "--full", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert problems(done.stderr) == []
    (shown,) = json.loads(done.stdout[done.stdout.index("[{") :])
    assert shown["package-name"] == PACKAGE
    assert shown["connection-types"][0]["connection-type"] == "engagevoice"
    kinds = ("hooks", "operators", "sensors", "triggers")
    assert {kind: shown[kind][0]["python-modules"] for kind in kinds} == {
        "hooks": [f"{MODULES}.hooks.engagevoice"],
        "operators": [f"{MODULES}.operators.{name}" for name in ("export", "leads", "load", "sync")],
        "sensors": [f"{MODULES}.sensors.campaigns", f"{MODULES}.sensors.leads"],
        "triggers": [f"{MODULES}.triggers.campaigns", f"{MODULES}.triggers.leads"],
    }
    assert shown["transfers"][0]["python-module"] == f"{MODULES}.transfers.sql_to_engagevoice"


def test_provider_info_fits_the_schema_of_airflow() -> None:
    import airflow
    import jsonschema

    schema = Path(airflow.__file__).with_name("provider_info.schema.json").read_text()
    jsonschema.validate(get_provider_info(), json.loads(schema))


@pytest.mark.parametrize(
    ("changes", "printed"),
    [
        ({}, "Connection success!"),
        (
            {"password": "wrong-secret/77+"},
            "Connection failed! RingCentral rejected the sign-in; check the connection's login (client id), "
            "password (client secret) and extra jwt_token",
        ),
    ],
    ids=["valid", "wrong-secret"],
)
def test_airflow_connections_test_prints_the_result(
    ringcx_sandbox: SandboxServer, issued_tokens: list[str], changes: dict[str, object], printed: str
) -> None:
    connection = {**ringcx_sandbox.connection, **changes}
    done = run(
        *("-m", "airflow", "connections", "test", "engagevoice_default"),
        AIRFLOW_CONN_ENGAGEVOICE_DEFAULT=json.dumps(connection),
        AIRFLOW__CORE__TEST_CONNECTION="Enabled",
    )
    text = done.stdout + done.stderr
    assert printed in " ".join(done.stdout.split())
    # Airflow 2.11 exits with 0 even if the test fails.
    assert done.returncode == 0 or changes
    assert problems(done.stderr) == []
    assert bool(issued_tokens) is not bool(changes)
    for secret in (connection["password"], "sandbox-jwt", *issued_tokens):
        assert secret not in text
