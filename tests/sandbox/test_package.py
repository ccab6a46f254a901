"""Public names of the package ``airflow_provider_engagevoice.sandbox``."""

from __future__ import annotations

import subprocess
import sys

import pytest

from airflow_provider_engagevoice import sandbox
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings


def test_public_names_resolve_to_their_classes() -> None:
    assert sandbox.__all__ == ["SandboxServer", "Settings"]
    assert sandbox.SandboxServer is SandboxServer
    assert sandbox.Settings is Settings
    assert set(sandbox.__all__) <= set(dir(sandbox))


def test_unknown_name_raises_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"sandbox' has no attribute 'Server'$"):
        _ = sandbox.Server


def test_import_of_package_loads_no_server() -> None:
    code = (
        "import sys, airflow_provider_engagevoice.sandbox;"
        "sys.exit(bool({'starlette', 'uvicorn', 'airflow'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
