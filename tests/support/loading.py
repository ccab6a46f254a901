"""Helpers for tests of loads and updates against the sandbox."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import requests

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions, UpdateOptions
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from tests.support.clients import ROOT, FakeClock, make_client

Row = dict[str, Any]

PREFIX = "K-"
"""All external ids of the tests begin with it; none of the sandbox's own leads has it."""

_ROW_ARGUMENTS = {each.name for each in fields(LeadRows)} - {"leads"}


def crm_row(number: int, **changes: Any) -> Row:
    """Return a valid row."""
    return {"externId": f"{PREFIX}{number}", "leadPhone": f"617555{number:04}", **changes}


def crm_rows(count: int, start: int = 0, **changes: Any) -> list[Row]:
    """Return valid rows with consecutive numbers."""
    return [crm_row(number, **changes) for number in range(start, start + count)]


def write_csv(path: Path, rows: Iterable[Row]) -> str:
    """Write rows to a CSV file; return its path."""
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def write_json_lines(path: Path, rows: Iterable[Row]) -> str:
    """Write rows to a JSON Lines file; return its path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read_report(path: Path) -> list[dict[str, str]]:
    """Return the lines of a report."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def outcomes(path: Path) -> list[str]:
    """Return the outcomes in a report, in the order of the rows."""
    return [line["outcome"] for line in read_report(path)]


def counts(result: Mapping[str, Any]) -> tuple[int, ...]:
    """Return how many rows of a result are inserted, updated, skipped, rejected and unknown."""
    names = ("inserted", "updated", "skipped", "rejected", "unknown")
    return tuple(result[f"leads_{name}"] for name in names)


def add_do_not_call(server: SandboxServer, phone: str) -> None:
    """Add a phone number to the do-not-call list of the account."""
    headers = {"X-Auth-Token": "sandbox-token"}
    body = {"phone": phone}
    response = requests.post(f"{server.url}{ROOT}/dncLists", json=body, headers=headers, timeout=10)
    response.raise_for_status()


@dataclass
class Crm:
    """Loads rows into a campaign of a sandbox, as one task does again and again.

    :param server: the sandbox.
    :param clock: the client's clock; its waits advance the sandbox's clock as well.
    :param campaign: name of the campaign.
    """

    server: SandboxServer
    clock: FakeClock
    campaign: str = "Spring Renewals"

    def __post_init__(self) -> None:
        self.clock.on_pause = lambda: self.server.advance(self.clock.pauses[-1])

    def client(self, **options: Any) -> RingCXClient:
        """Return a client; by default it waits 20 s for a response."""
        return make_client(self.server.url, "api_token", **options)

    def load(
        self,
        leads: Iterable[Row] | None = None,
        *,
        client: RingCXClient | None = None,
        checkpoints: CheckpointStore | None = None,
        load_id: str = "run 1",
        list_name: str = "CRM list",
        campaign: str | int | None = None,
        dry_run: bool = False,
        verify: bool = True,
        **options: Any,
    ) -> LoadResult:
        """Load rows.

        :param leads: the rows; None if ``options`` have a source.
        :param client: the client; default a new one.
        :param checkpoints: keeps the checkpoint; default none.
        :param load_id: identifies the load.
        :param list_name: name of the lists.
        :param campaign: the campaign, if it is another one.
        :param options: arguments of ``LeadRows`` and ``LoadOptions``.
        """
        client = client or self.client()
        rows, load_options = _split(leads, options)
        load = client.prepare_load(
            campaign or self.campaign,
            rows,
            LoadOptions(**load_options),
            list_name=list_name,
            load_id=load_id,
            dry_run=dry_run,
            verify=verify,
        )
        return client.lead_loader(load.campaign["account_id"]).execute(load, checkpoints)

    def update(
        self,
        leads: Iterable[Row] | None = None,
        *,
        client: RingCXClient | None = None,
        dry_run: bool = False,
        **options: Any,
    ) -> LoadResult:
        """Update leads; arguments as for :meth:`load`."""
        rows, update_options = _split(leads, options)
        return (client or self.client()).update_leads(
            self.campaign, rows, UpdateOptions(**update_options), dry_run=dry_run
        )

    @property
    def leads(self) -> list[Row]:
        """The leads of the tests in the campaign."""
        return [lead for lead in self.server.leads(self.campaign) if lead["externId"].startswith(PREFIX)]

    @property
    def loaded(self) -> Counter[str]:
        """Number of leads in the campaign by external id, for those of the tests."""
        return Counter(lead["externId"] for lead in self.leads)

    @property
    def list_names(self) -> list[str]:
        """Names of the lists that have leads of the tests, without the token."""
        return sorted({lead["listDesc"] for lead in self.leads})

    @property
    def loads(self) -> list[RecordedRequest]:
        """The requests that have loaded leads, or tried to."""
        return self._requests("direct_load")

    @property
    def patches(self) -> list[RecordedRequest]:
        """The requests that have updated leads, or tried to."""
        return self._requests("lead_update")

    @property
    def searches(self) -> list[RecordedRequest]:
        """The searches for leads."""
        return self._requests("lead_search")

    def _requests(self, operation: str) -> list[RecordedRequest]:
        return [each for each in self.server.requests if each.operation == operation]


def _split(leads: Iterable[Row] | None, options: Mapping[str, Any]) -> tuple[LeadRows, dict[str, Any]]:
    """Return the rows with their arguments, and the other options."""
    arguments = {name: value for name, value in options.items() if name in _ROW_ARGUMENTS}
    others = {name: value for name, value in options.items() if name not in _ROW_ARGUMENTS}
    return LeadRows(leads, **arguments), others
