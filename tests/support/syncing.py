"""Helpers for tests of syncs against the sandbox."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from airflow_provider_engagevoice.ringcx.sync.result import SyncResult
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import Killed
from tests.support.clients import FakeClock, make_client
from tests.support.loading import PREFIX, Row

_ROW_ARGUMENTS = {each.name for each in fields(LeadRows)} - {"leads"}


@dataclass
class CrmSync:
    """Keeps a campaign of a sandbox in step with rows, as a DAG does run after run.

    :param server: the sandbox.
    :param clock: the client's clock; its waits advance the sandbox's clock as well.
    :param folder: folder of the plans.
    :param options: options of the sync that differ from their defaults.
    """

    server: SandboxServer
    clock: FakeClock
    folder: Path
    options: Mapping[str, Any]
    campaign: str = "Spring Renewals"
    plans: int = 0

    def __post_init__(self) -> None:
        self.clock.on_pause = lambda: self.server.advance(self.clock.pauses[-1])

    @property
    def campaign_id(self) -> int:
        """Id of the campaign."""
        return int(self.server.campaign(self.campaign)["campaignId"])

    def client(self) -> RingCXClient:
        """Return a client."""
        return make_client(self.server.url, "api_token")

    def killed_client(self, number: int, *, before: bool) -> RingCXClient:
        """Return a client whose process ends at a request.

        :param number: the request, from 0.
        :param before: it ends before the request is sent, else before its response is read.
        """
        client = self.client()
        attempt, numbers = client.transport._attempt, itertools.count()

        def attempt_or_die(*args: Any, **options: Any) -> Any:
            is_last = next(numbers) == number
            if is_last and before:
                raise Killed
            response = attempt(*args, **options)
            if is_last:
                raise Killed
            return response

        client.transport._attempt = attempt_or_die  # type: ignore[method-assign]
        return client

    def plan(self, leads: Iterable[Row] | None, **options: Any) -> Mapping[str, Any]:
        """Plan; arguments of ``LeadRows``, ``SyncOptions`` and ``SyncJob.create``."""
        options = {**self.options, **options}
        self.plans += 1
        client = options.pop("client", None) or self.client()
        rows = LeadRows(leads, **{key: options.pop(key) for key in _ROW_ARGUMENTS & options.keys()})
        own: dict[str, Any] = {"name": "nightly", "list_name": "CRM"}
        own |= {
            key: options.pop(key)
            for key in ("name", "max_rejected", "run_id", "account_id")
            if key in options
        }
        return client.syncs().plan(
            options.pop("campaign", self.campaign),
            rows,
            SyncOptions(**options),
            str(self.folder / f"{self.plans}.plan"),
            **own,
        )

    def apply(
        self,
        plan: Mapping[str, Any],
        leads: Iterable[Row] | None,
        *,
        client: RingCXClient | None = None,
        approve: str | None = None,
        source: str | None = None,
        **options: Any,
    ) -> SyncResult:
        """Apply a plan."""
        rows = LeadRows(leads, source)
        return (client or self.client()).syncs().apply(plan["plan"], rows, approve=approve, **options)

    def sync(self, leads: Iterable[Row], **options: Any) -> SyncResult:
        """Plan and apply, whatever the limits say."""
        leads = list(leads)
        plan = self.plan(leads, **options)
        return self.apply(plan, leads, approve=plan["fingerprint"])

    def rows(self, leads: Iterable[Row]) -> LeadRows:
        """Return rows for another load of the same client."""
        return LeadRows(list(leads))

    def leads(self) -> list[dict[str, Any]]:
        """Return the leads of the campaign whose external ids are those of the tests."""
        return [lead for lead in self.server.leads(self.campaign) if str(lead["externId"]).startswith(PREFIX)]

    def callable_keys(self) -> list[str]:
        """Return the external ids of the leads that may still be dialled, sorted."""
        return sorted(
            str(lead["externId"])
            for lead in self.leads()
            if lead["leadState"] not in ("CANCELLED", "PAUSED") and not lead["suppressed"]
        )

    def change_leads(self, statement: str, *parameters: object) -> None:
        """Change leads in the sandbox, as a dialer, an agent or a supervisor does."""
        with self.server._state.store.changing() as connection:
            connection.execute(statement, parameters)

    def set_state(self, number: int, state: str) -> None:
        """Set the state of the leads of a row."""
        self.change_leads("UPDATE leads SET leadState = ? WHERE externId = ?", state, f"{PREFIX}{number}")
