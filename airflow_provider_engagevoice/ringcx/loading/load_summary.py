"""Result and log of a load or an update."""

from __future__ import annotations

import logging
import os

from airflow_provider_engagevoice.ringcx.campaigns import Campaign
from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
from airflow_provider_engagevoice.ringcx.loading.ledger import RowLedger
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome

log = logging.getLogger(__name__)

_REASONS_SHOWN = 10
#: Outcomes that the count ``leads_skipped`` contains, with their names in the log.
_SKIPPED = {
    Outcome.SKIPPED_EXISTING: "in the campaign already",
    Outcome.DUPLICATE: "duplicate",
    Outcome.DNC: "do-not-call",
}


def load_result(
    campaign: Campaign,
    ledger: RowLedger,
    requests: int,
    report: str | os.PathLike[str] | None,
    list_name: str | None = None,
    *,
    dry_run: bool = False,
) -> LoadResult:
    """Return the result of a load or an update.

    :param campaign: the campaign.
    :param ledger: outcomes of the rows.
    :param requests: number of requests that changed leads or may have.
    :param report: path of the report; None if there is none.
    :param list_name: name of the lists that the load makes; None for an update.
    :param dry_run: nothing was sent.
    """
    return LoadResult(
        campaign_id=campaign["campaign_id"],
        account_id=campaign["account_id"],
        dry_run=dry_run,
        rows=ledger.spool.rows,
        leads_supplied=ledger.supplied,
        leads_inserted=ledger.total(Outcome.LOADED),
        leads_updated=ledger.total(Outcome.UPDATED),
        leads_skipped=ledger.total(*_SKIPPED),
        leads_rejected=ledger.total(Outcome.REJECTED),
        leads_unknown=ledger.total(Outcome.UNKNOWN),
        requests=requests,
        report=None if report is None else os.fspath(report),
        list_name=list_name,
    )


def log_summary(result: LoadResult, ledger: RowLedger, title: str) -> None:
    """Log a result as a table, and the most frequent reasons of rows that are not loaded.

    :param result: the result.
    :param ledger: outcomes of the rows.
    :param title: first line of the table.
    """
    skipped = {name: ledger.total(outcome) for outcome, name in _SKIPPED.items()}
    details = ", ".join(f"{name} {count:,}" for name, count in skipped.items() if count)
    log.info("%s", title)
    log.info("  %-9s %10s", "rows", f"{result['rows']:,}")
    for name in ("supplied", "inserted", "updated", "skipped", "rejected", "unknown"):
        count = int(result[f"leads_{name}"])  # type: ignore[literal-required]
        suffix = f"  ({details})" if name == "skipped" and details else ""
        log.info("  %-9s %10s%s", name, f"{count:,}", suffix)
    for (_, reason), count in ledger.reasons.most_common(_REASONS_SHOWN):
        log.info("  %10s: %s", f"{count:,}", reason)
