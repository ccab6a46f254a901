"""The sync of this package, run as by ``SyncLeadsOperator``: plan and apply, and continue after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
from airflow_provider_engagevoice.ringcx.storage.base import StateStore
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from tests.support.clients import make_client

Row = dict[str, Any]


class NightlySync:
    """Syncs a campaign, with the default limits.

    :param url: address of RingCX.
    :param campaign_id: the campaign.
    :param timeout: seconds to wait for a response.
    :param folder: folder of the plans.
    :param store: shared by all runs, as those of one host are.
    :param on_response: called with the URL after each response.
    """

    def __init__(
        self,
        url: str,
        campaign_id: int,
        timeout: float,
        folder: Path,
        store: StateStore,
        on_response: Callable[[str], object],
    ) -> None:
        self.url = url
        self.campaign_id = campaign_id
        self.timeout = timeout
        self.folder = folder
        self.store = store
        self.on_response = on_response

    def run(self, rows: Sequence[Row], run_id: str, *, is_approved: bool = False) -> None:
        """Make the campaign equal to the CRM.

        :param rows: the rows of the CRM.
        :param run_id: the same for all attempts of a run.
        :param is_approved: apply the plan although it exceeds a limit, as for the first load.
        :raises EngageVoiceError: if the plan is refused, or a request fails.
        """
        syncs, path = self._client().syncs(), str(self.folder / run_id)
        started = syncs.started_plan(path, run_id)
        if started is None:
            plan = syncs.plan(
                self.campaign_id,
                LeadRows(list(rows)),
                SyncOptions(on_surplus="delete"),
                path,
                name="nightly",
                list_name="Nightly",
                run_id=run_id,
            )
            fingerprint = plan["fingerprint"]
        else:
            fingerprint = started.fingerprint
        syncs.apply(path, LeadRows(list(rows)), approve=fingerprint if is_approved else None)

    def _client(self) -> RingCXClient:
        client = make_client(self.url, "api_token", timeout=self.timeout)
        client.authenticator.store = self.store
        send = client.transport._attempt

        def send_and_report(request: Any, headers: Any) -> Any:
            response = send(request, headers)
            self.on_response(request.url)
            return response

        client.transport._attempt = send_and_report  # type: ignore[method-assign]
        return client
