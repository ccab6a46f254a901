"""Imports of the sandbox: facts about RingCX from ``ringcx.spec`` only, no client code and no Airflow."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import airflow_provider_engagevoice.sandbox

PACKAGE = "airflow_provider_engagevoice"
FOLDER = Path(airflow_provider_engagevoice.sandbox.__file__).parent
FILES = {str(path.relative_to(FOLDER)): path for path in sorted(FOLDER.rglob("*.py"))}

#: Names, numbers and a table: nothing that sends requests or parses responses.
SHARED = f"{PACKAGE}.ringcx.spec"


def imported(source: str, module: str) -> Iterator[str]:
    """Yield all modules imported by a source, including imports in functions.

    :param source: the text of a module.
    :param module: its package, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")[: -node.level + 1 or None] if node.level else []
            base = ".".join([*parts, node.module] if node.module else parts)
            # A name imported from a package may be a submodule.
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _named(node) in ("import_module", "__import__"):
            for argument in node.args[:1]:
                # A computed name cannot be checked, so it counts as forbidden.
                yield str(argument.value) if isinstance(argument, ast.Constant) else "airflow"


def _named(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_allowed(name: str) -> bool:
    """Return whether the sandbox may import a module."""
    top, *_ = name.split(".")
    if top == PACKAGE:
        own = name == f"{PACKAGE}.__version__" or name.startswith(f"{PACKAGE}.sandbox")
        return own or name == SHARED or name.startswith(f"{SHARED}.")
    return top != "airflow"


@pytest.mark.parametrize("name", sorted(FILES))
def test_sandbox_imports_no_client_code_and_no_airflow(name: str) -> None:
    package = ".".join([PACKAGE, "sandbox", *Path(name).parts[:-1]])
    names = set(imported(FILES[name].read_text(encoding="utf-8"), package))
    # The fixture ringcx_airflow prepares Airflow's database, if a test uses it.
    fixture = {"airflow.settings", "airflow.utils.db.initdb"} if name == "pytest_plugin.py" else set()
    assert {found for found in names if not is_allowed(found)} == fixture


@pytest.mark.parametrize(
    "source",
    [
        "import airflow",
        "import airflow.sdk as sdk",
        "from airflow_provider_engagevoice import ringcx",
        "from airflow_provider_engagevoice.ringcx import client",
        "from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE",
        "from airflow_provider_engagevoice import version_compat",
        "from ..ringcx import client",
        "from ..ringcx.leads.coercion import coerce",
        "def late():\n    from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport",
        "if TYPE_CHECKING:\n    from airflow.models import DAG",
        "import importlib\nimportlib.import_module('airflow_provider_engagevoice.ringcx.client')",
        "__import__(name)",
    ],
)
def test_forbidden_import_is_rejected(source: str) -> None:
    assert not all(map(is_allowed, imported(source, f"{PACKAGE}.sandbox")))


@pytest.mark.parametrize(
    "source",
    [
        "import starlette.routing",
        "from airflow_provider_engagevoice import __version__",
        "from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES",
        "from airflow_provider_engagevoice.ringcx.spec import lead_actions",
        "from airflow_provider_engagevoice.sandbox import settings",
        "from .api import routes",
        "from ..ringcx.spec import rate_limits",
    ],
)
def test_shared_import_is_allowed(source: str) -> None:
    assert all(map(is_allowed, imported(source, f"{PACKAGE}.sandbox")))
