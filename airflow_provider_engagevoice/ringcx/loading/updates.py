"""Updates of leads: which fields differ, and the requests that change them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.progress import ProgressLogger
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidRequest,
    NotFound,
    TooManyLeads,
    counted,
)
from airflow_provider_engagevoice.ringcx.leads.identifiers import same_identifier
from airflow_provider_engagevoice.ringcx.loading.hiding import hide_in_error
from airflow_provider_engagevoice.ringcx.loading.ledger import RowLedger
from airflow_provider_engagevoice.ringcx.loading.lookup import FoundLead
from airflow_provider_engagevoice.ringcx.loading.rows import LeadRow, Outcome
from airflow_provider_engagevoice.ringcx.spec.lead_fields import EXTENDED_DATA, KEY_FIELD, PHONE_FIELDS
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS
from airflow_provider_engagevoice.ringcx.steps import Enter, Steps


@dataclass(frozen=True)
class LeadUpdates:
    """Plans and sends the updates of leads of one campaign.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :param ledger: outcomes of the rows.
    """

    request_steps: RequestStepsFn
    account_id: str
    campaign_id: int
    ledger: RowLedger

    def plan(self, number: int, rows: Sequence[LeadRow], found: Mapping[str, list[FoundLead]]) -> None:
        """Store the updates of rows, and record the rows that need none.

        :param number: the chunk of the rows.
        :param rows: rows whose external id is among the leads.
        :param found: the leads by external id.
        """
        several = [row for row in rows if len(found[row.key]) > 1]
        changes = [
            (row, lead, changed)
            for row in rows
            if len(found[row.key]) == 1
            for lead in found[row.key]
            if (changed := changed_fields(row.lead, lead.row))
        ]
        changing = {row.position for row, _, _ in changes} | {row.position for row in several}
        equal = [row for row in rows if row.position not in changing]
        self.ledger.spool.add_updates((row, lead.lead_id, changed) for row, lead, changed in changes)
        self.ledger.record(
            number,
            equal,
            Outcome.SKIPPED_EXISTING,
            "unchanged",
            "The lead has these values already",
            [found[row.key] for row in equal],
        )
        self.ledger.record(
            number,
            several,
            Outcome.REJECTED,
            "several_leads",
            "The campaign has several leads with this external id",
        )

    def check_limit(self, max_updates: int | None) -> None:
        """Raise if there are more updates than a limit.

        :param max_updates: the limit; None for none.
        :raises TooManyLeads: if there are more.
        """
        count = self.ledger.spool.count_updates()
        if max_updates is not None and count > max_updates:
            per_minute = LIMITS["lead_update"][-1].max_requests
            raise TooManyLeads(
                f"Raise max_updates above {max_updates:,} to update {counted(count, 'lead')}: RingCX changes "
                f"one lead in each request and allows {per_minute} a minute, which takes about "
                f"{max(round(count / per_minute), 1):,} minutes. Nothing was changed"
            )

    def work(self, chunk_size: int, progress: ProgressLogger) -> Any:
        """Return one piece of work of a pipeline for each update.

        :param chunk_size: number of rows in a chunk.
        :param progress: logs the progress.
        """
        return (
            self._send(row.position // chunk_size, row, lead_id, body, progress)
            for row, lead_id, body in self.ledger.spool.iter_updates()
        )

    def _send(
        self, number: int, row: LeadRow, lead_id: int, body: Mapping[str, Any], progress: ProgressLogger
    ) -> Steps[None]:
        yield Enter()
        try:
            yield from patch_lead(self.request_steps, self.account_id, self.campaign_id, lead_id, body)
        except EngageVoiceError as error:
            hide_in_error(error, [row])
            if not isinstance(error, (InvalidRequest, NotFound)):
                raise
            self.ledger.record(number, [row], Outcome.REJECTED, f"http_{error.status}", str(error))
        else:
            found = [[FoundLead(lead_id, None, {})]]
            self.ledger.record(number, [row], Outcome.UPDATED, leads=found)
        progress.add(1)


def patch_lead(
    request_steps: RequestStepsFn, account_id: str, campaign_id: int, lead_id: int, fields: Mapping[str, Any]
) -> Steps[None]:
    """Change fields of a lead.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param account_id: the sub-account.
    :param campaign_id: the campaign.
    :param lead_id: the lead.
    :param fields: the fields, from :func:`changed_fields`.
    """
    yield from request_steps(
        "PATCH",
        f"{account_path(account_id)}/campaignLeads/{lead_id}",
        params={"campaignId": campaign_id},
        json=fields,
        # The same values again change nothing. Source: contract, "changes only sent fields".
        retry_safe=True,
    )


def changed_fields(lead: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a lead that differ from what RingCX has.

    :param lead: the lead as it is to be.
    :param row: RingCX's row (contract, ``CampaignLeadSearchResultsView``); what it does not show counts as
        different.
    :return: the fields that a request must change.
    """
    nested = row.get("campaignLead")
    current = {**row, **(nested if isinstance(nested, Mapping) else {})}
    changed: dict[str, Any] = {}
    for field, value in lead.items():
        if field == KEY_FIELD:
            continue
        if field == EXTENDED_DATA:
            before = _extended_data(current)
            if not all(name in before and _is_same(each, before[name]) for name, each in value.items()):
                changed[field] = {**before, **value}
        elif not _is_equal(field, value, current.get(field)):
            changed[field] = value
    return changed


def _is_equal(field: str, value: Any, current: Any) -> bool:
    if current is None:
        return False
    if field in PHONE_FIELDS:
        return _phones(value) == _phones(current)
    return _is_same(value, current)


def _is_same(value: Any, current: Any) -> bool:
    """Return whether RingCX's value is the one of the row; RingCX shows some numbers and objects as text."""
    if value == current or str(value) == str(current):
        return True
    return isinstance(current, str) and json.dumps(value) == current


def _phones(value: object) -> list[str]:
    return [same_identifier("leadPhoneNumbers", part) for part in str(value).split("|")]


def _extended_data(current: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a lead's own data. ``extraData`` is JSON with types; ``extendedLeadData`` may have text only."""
    try:
        value = json.loads(current.get("extraData") or "")
    except (TypeError, ValueError):
        value = current.get(EXTENDED_DATA)
    return value if isinstance(value, Mapping) else {}
