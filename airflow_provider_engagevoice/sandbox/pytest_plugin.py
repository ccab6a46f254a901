"""The fixture ``ringcx_sandbox`` for pytest: a RingCX of its own for every test that asks for one.

pytest loads this module in every project where the package is installed, so nothing here but pytest is
imported before a test asks for the fixture.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
    from airflow_provider_engagevoice.sandbox.settings import Settings

CONNECTION = "engagevoice_default"
"""Id of the Airflow connection that leads to the sandbox, unless the marker names others."""

_MARKER = "ringcx_sandbox"
_LOOPBACK = ("127.0.0.1", "localhost")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, for projects with ``--strict-markers``."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(conn_id=..., size=..., limits=..., ...): settings of the fixture {_MARKER} for a test, "
        f"and the ids of the connections that lead to it ({CONNECTION} unless named)",
    )


@pytest.fixture
def ringcx_settings() -> Settings:
    """How the sandbox behaves. Define a fixture of this name to choose that for a folder or a project.

    :return: by default what the variables ``ENGAGEVOICE_SANDBOX_SIZE`` and so on say.
    """
    from airflow_provider_engagevoice.sandbox.settings import Settings

    return Settings.from_environment()


@pytest.fixture
def ringcx_sandbox(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, ringcx_settings: Settings
) -> Iterator[SandboxServer]:
    """A local RingCX of the test's own, and Airflow's connection ``engagevoice_default`` to it.

    The marker ``@pytest.mark.ringcx_sandbox(size=500, limits="off")`` changes settings for one test, class
    or module, and ``conn_id="..."``, or a list of them, names other connections.

    :return: the sandbox; see :class:`~airflow_provider_engagevoice.sandbox.server.sandbox_server.SandboxServer`.
    """
    server_class = _server_class()
    asked = _asked_by_markers(request.node)
    conn_ids = asked.pop("conn_id", CONNECTION)
    settings = _changed(ringcx_settings, asked)
    with server_class(settings) as server:
        # By the monkeypatch that tests use: a connection that a test sets itself ends with it, too.
        for conn_id in [conn_ids] if isinstance(conn_ids, str) else conn_ids:
            monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(server.connection))
        _go_around_proxies(monkeypatch)
        yield server


def _server_class() -> type[SandboxServer]:
    """Import the server, which needs packages that the provider itself does not."""
    try:
        from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("airflow_provider_engagevoice"):
            raise
        pytest.fail(
            f"The fixture {_MARKER} needs more packages ({error.name} is missing): "
            'pip install "airflow-provider-engagevoice[sandbox]"',
            pytrace=False,
        )
    return SandboxServer


def _asked_by_markers(node: pytest.Item) -> dict[str, Any]:
    """Return the keywords of all markers; those nearest to the test count most."""
    asked: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(_MARKER))):
        if marker.args:
            pytest.fail(f"The marker {_MARKER} takes keywords only, not {marker.args[0]!r}", pytrace=False)
        asked.update(marker.kwargs)
    return asked


def _changed(settings: Settings, asked: dict[str, Any]) -> Settings:
    """Change settings as markers ask; fail the test with a sentence where they ask for what is none."""
    known = sorted(each.name for each in fields(settings))
    unknown = sorted(set(asked) - set(known))
    if unknown:
        pytest.fail(
            f"{unknown[0]} is no setting of {_MARKER}; there are conn_id, {', '.join(known)}", pytrace=False
        )
    try:
        return replace(settings, **asked)
    except ValueError as error:
        pytest.fail(f"The marker {_MARKER}: {error}", pytrace=False)


def _go_around_proxies(patch: pytest.MonkeyPatch) -> None:
    """Keep requests to this machine from a proxy that the environment names for all."""
    names = {name.lower() for name, value in os.environ.items() if value}
    if not names & {"http_proxy", "all_proxy"}:
        return
    spared = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    if spared.strip() == "*":
        return
    hosts = ",".join(filter(None, [spared, *_LOOPBACK]))
    for name in ("no_proxy", "NO_PROXY"):
        patch.setenv(name, hosts)
