"""pytest plugin: a separate local RingCX for each test that uses it, and an Airflow database for its DAGs.

pytest loads this module in every project where the package is installed, so it imports nothing but pytest
until a test uses the fixture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
    from airflow_provider_engagevoice.sandbox.settings import Settings

CONNECTION = "engagevoice_default"
"""Id of the Airflow connection to the sandbox, unless the marker sets other ids."""

_MARKER = "ringcx_sandbox"
_LOOPBACK = ("127.0.0.1", "localhost")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, for projects with ``--strict-markers``."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(conn_id=..., size=..., limits=..., ...): settings of the fixture {_MARKER} for a test, "
        f"and the id or ids of the Airflow connections to it (default: {CONNECTION})",
    )


@pytest.fixture
def ringcx_settings() -> Settings:
    """Settings of the sandbox. Override this fixture to change them for a folder or a project.

    :return: by default the settings from environment variables such as ``ENGAGEVOICE_SANDBOX_SIZE``.
    """
    from airflow_provider_engagevoice.sandbox.settings import Settings

    return Settings.from_environment()


@pytest.fixture
def ringcx_sandbox(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ringcx_settings: Settings
) -> Iterator[SandboxServer]:
    """A local RingCX for one test, with the Airflow connection ``engagevoice_default`` to it.

    The marker ``@pytest.mark.ringcx_sandbox(size=500, limits="off")`` changes settings for a test, class or
    module; its argument ``conn_id="..."``, or a list of ids, sets other connections.

    :return: the sandbox; an instance of :class:`~airflow_provider_engagevoice.sandbox.SandboxServer`.
    """
    server_class = _server_class()
    options = _marker_options(request.node)
    conn_ids = options.pop("conn_id", CONNECTION)
    settings = _with_options(ringcx_settings, options)
    with server_class(settings) as server:
        # With the test's own monkeypatch, so that variables set by the test are restored in the right order.
        for conn_id in [conn_ids] if isinstance(conn_ids, str) else conn_ids:
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(server.connection))
        _bypass_proxies(monkeypatch)
        yield server


@pytest.fixture(scope="session")
def ringcx_airflow(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Path]:
    """An empty Airflow database for ``dag.test()``, which replaces yours until the test session ends.

    The database is a SQLite file in a temporary folder; your ``AIRFLOW_HOME`` is not used. The DAGs folder is
    ``dags`` in pytest's root folder, if there is one, else the root folder itself.

    :return: the temporary folder.
    """
    home = tmp_path_factory.mktemp("airflow")
    dags = pytestconfig.rootpath / "dags"
    variables = {
        "AIRFLOW_HOME": home,
        "AIRFLOW__CORE__DAGS_FOLDER": dags if dags.is_dir() else pytestconfig.rootpath,
        "AIRFLOW__CORE__LOAD_EXAMPLES": False,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, str(value))
        try:
            from airflow import settings
            from airflow.utils.db import initdb
        except ModuleNotFoundError as error:
            pytest.fail(
                f"The fixture ringcx_airflow requires apache-airflow ({error.name} is missing)", pytrace=False
            )
        # Airflow may have been imported before, by a test module, with the user's own database.
        _connect_to_configured_database(settings)
        initdb()
        yield home
    _connect_to_configured_database(settings)


def _connect_to_configured_database(settings: Any) -> None:
    settings.dispose_orm()
    settings.configure_vars()
    settings.configure_orm()


def _server_class() -> type[SandboxServer]:
    """Import the server, which requires packages that the provider itself does not require."""
    try:
        from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_provider_engagevoice"):
            raise
        pytest.fail(
            f"The fixture {_MARKER} requires more packages: "
            f'pip install "airflow-provider-engagevoice[sandbox]" ({error.name} is missing)',
            pytrace=False,
        )
    return SandboxServer


def _marker_options(node: pytest.Item) -> dict[str, Any]:
    """Return the keyword arguments of all markers; those closest to the test take precedence."""
    options: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(_MARKER))):
        if marker.args:
            pytest.fail(
                f"The marker {_MARKER} accepts keyword arguments only, not {marker.args[0]!r}", pytrace=False
            )
        options.update(marker.kwargs)
    return options


def _with_options(settings: Settings, options: dict[str, Any]) -> Settings:
    """Return settings changed by marker options; fail the test if an option is invalid."""
    known = sorted(each.name for each in fields(settings))
    unknown = sorted(set(options) - set(known))
    if unknown:
        pytest.fail(
            f"The marker {_MARKER} has no option {unknown[0]!r}; its options are conn_id, {', '.join(known)}",
            pytrace=False,
        )
    try:
        return replace(settings, **options)
    except ValueError as error:
        pytest.fail(f"The marker {_MARKER}: {error}", pytrace=False)


def _bypass_proxies(patch: pytest.MonkeyPatch) -> None:
    """Exclude this machine from a proxy configured in the environment."""
    names = {name.lower() for name, value in os.environ.items() if value}
    if not names & {"http_proxy", "all_proxy"}:
        return
    excluded = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if excluded.strip() == "*":
        return
    hosts = ",".join(filter(None, [excluded, *_LOOPBACK]))
    for name in ("no_proxy", "NO_PROXY"):
        patch.setenv(name, hosts)
