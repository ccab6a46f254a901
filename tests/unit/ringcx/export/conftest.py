"""Fixtures for tests of exports: a campaign with many leads, and a function that exports it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.export.exporter import ExportResult, LeadExport
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import make_client

Export = Callable[..., tuple[ExportResult, list[dict[str, str]]]]


@pytest.fixture
def export(tmp_path: Path, pauses: list[float]) -> Export:
    """Return a function that exports leads of a sandbox to CSV; it returns the result and the rows."""

    def run(
        server: SandboxServer, criteria: dict[str, Any], **options: Any
    ) -> tuple[ExportResult, list[dict[str, str]]]:
        path = tmp_path / "leads.csv"
        leads = LeadExport(Selection(criteria), str(path), **options)
        result = make_client(server.url).lead_exporter().execute(leads)
        with path.open(newline="") as file:
            return result, list(csv.DictReader(file))

    return run
