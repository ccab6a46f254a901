"""Updates the leads of a plan whose compared fields differ from their rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, InvalidRequest, NotFound
from airflow_provider_engagevoice.ringcx.loading.hiding import hide_in_error
from airflow_provider_engagevoice.ringcx.loading.lead_load import DEFAULT_IN_FLIGHT
from airflow_provider_engagevoice.ringcx.loading.row_spool import RowSpool
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow
from airflow_provider_engagevoice.ringcx.loading.updates import changed_fields, patch_lead
from airflow_provider_engagevoice.ringcx.steps import Enter, Steps, run
from airflow_provider_engagevoice.ringcx.sync.diff import UPDATE
from airflow_provider_engagevoice.ringcx.sync.lead_states import KEPT_STATES, PROTECTED_STATES
from airflow_provider_engagevoice.ringcx.sync.live_leads import LiveLeads
from airflow_provider_engagevoice.ringcx.sync.planned_work import PlannedLead, PlannedWork
from airflow_provider_engagevoice.ringcx.sync.tables import fields_of

#: Leads that are looked up at once: as many as RingCX allows to update in a minute.
_CHUNK_SIZE = 150


@dataclass
class SyncUpdates:
    """Updates leads, one in each request.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param live: looks up leads.
    :param work: the plan.
    :param spool: all rows of the source.
    :param compare: the fields that are compared.
    :param check: called before each request; raises if the plan must not be applied any more.
    """

    request_steps: RequestStepsFn
    live: LiveLeads
    work: PlannedWork
    spool: RowSpool
    compare: Sequence[str]
    check: Callable[[], object]

    def run(self) -> None:
        """Update the leads."""
        total = self.work.count(UPDATE)
        if not total:
            return
        wanted = {
            position: fields_of(self.spool.lead_at(position).lead, self.compare)
            for position in self.work.rows(UPDATE)
        }
        progress = ProgressLogger("Updating", total, 1, noun="lead")
        token = self.live.search.cancel_token
        for leads in self.work.leads(UPDATE, _CHUNK_SIZE):
            rows = run(self.live.find(leads), token.sleep)
            updates = [self._update(lead, rows, wanted, progress) for lead in leads]
            Pipeline(token, DEFAULT_IN_FLIGHT, DEFAULT_IN_FLIGHT).run(iter(updates))

    def _update(
        self,
        lead: PlannedLead,
        rows: Mapping[int, Mapping[str, Any] | None],
        wanted: Mapping[int, Mapping[str, Any]],
        progress: ProgressLogger,
    ) -> Steps[None]:
        row = rows.get(lead.lead_id)
        state = "" if row is None else str(row.get("leadState"))
        if row is None or lead.row is None:
            self.work.record([lead], "left_alone", "not_here")
        elif state in PROTECTED_STATES:
            self.work.record([lead], "held_back", state)
        elif state in KEPT_STATES:
            self.work.record([lead], "left_alone", state)
        elif changed := changed_fields(wanted[lead.row], row):
            yield from self._send(lead, changed)
        else:
            self.work.record([lead], "updated")
        progress.add(1)

    def _send(self, lead: PlannedLead, changed: Mapping[str, Any]) -> Steps[None]:
        yield Enter()
        self.check()
        try:
            yield from patch_lead(
                self.request_steps, self.live.search.account_id, self.live.campaign_id, lead.lead_id, changed
            )
        except EngageVoiceError as error:
            hide_in_error(error, [LeadRow(0, 0, "", dict(changed))])
            if not isinstance(error, (InvalidRequest, NotFound)):
                raise
            self.work.record([lead], "rejected", f"http_{error.status}")
        else:
            self.work.record([lead], "updated")
