"""Exports the leads of a selection to a file, with a manifest that describes it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypedDict

from airflow_provider_engagevoice.ringcx.campaigns import CampaignService
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn
from airflow_provider_engagevoice.ringcx.exceptions import (
    InvalidParameter,
    counted,
    did_you_mean,
    without_context,
)
from airflow_provider_engagevoice.ringcx.export.lead_reader import LeadReader
from airflow_provider_engagevoice.ringcx.export.row_store import LeadStore
from airflow_provider_engagevoice.ringcx.files.output_file import OutputFile
from airflow_provider_engagevoice.ringcx.files.row_writer import (
    check_library,
    output_format,
    write_rows,
)
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_fields import ROW_FIELDS

log = logging.getLogger(__name__)

ON_CHANGED = ("fail", "continue")
"""Valid values of ``on_changed``."""


class ExportResult(TypedDict):
    """Result of an export, without any lead's data.

    ``count`` is the number of exported leads, ``filtered_out`` that of leads which the volatile criteria left
    out. ``complete`` is False if leads changed faster than they could be read, with
    ``on_changed="continue"``. ``manifest`` is None if none was written.
    """

    count: int
    filtered_out: int
    bytes: int
    path: str
    sha256: str
    manifest: str | None
    complete: bool
    requests: int
    account_id: str


@dataclass(frozen=True)
class LeadExport:
    """An export of leads.

    :param selection: the leads.
    :param output: the file.
    :param fields: fields of each lead, in the order of the columns.
    :param on_changed: what to do if leads change faster than they can be read: ``"fail"`` or ``"continue"``.
    :param manifest: write a manifest next to the file.
    """

    selection: Selection
    output: Any
    fields: Sequence[str] = tuple(ROW_FIELDS)
    on_changed: str = "fail"
    manifest: bool = True

    def __post_init__(self) -> None:
        output_format(self.output)
        validate_fields(self.fields)
        if self.on_changed not in ON_CHANGED:
            raise InvalidParameter(f'on_changed must be "fail" or "continue", not {self.on_changed!r}')


@dataclass
class LeadExporter:
    """Exports the leads of one sub-account.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param campaigns: reads the lists of campaigns.
    :param account_id: the sub-account.
    :param cancel_token: cancels the export between two requests.
    """

    request_steps: RequestStepsFn
    campaigns: CampaignService
    account_id: str
    cancel_token: CancelToken = field(default_factory=CancelToken)

    @without_context
    def read(self, selection: Selection) -> Iterator[dict[str, Any]]:
        """Yield all leads of a selection, after all of them have been read and proven complete.

        :param selection: the leads.
        :return: RingCX's rows, in the order of the lead ids.
        :raises LeadsChanged: if leads change faster than they can be read.
        """
        store = LeadStore()
        leads = LeadSearch(self.request_steps, self.account_id, self.cancel_token)
        if not selection.empty_reason:
            LeadReader(leads, self.campaigns, self.cancel_token).read(selection, store)
        return iter(store)

    @without_context
    def execute(self, export: LeadExport) -> ExportResult:
        """Read all leads, then write the file, then its manifest.

        :param export: the leads and the file.
        :return: the result.
        :raises LeadsChanged: if leads change faster than they can be read, and ``on_changed`` is ``"fail"``.
        :raises TransientError: if the file cannot be written. What was under its path is unchanged.
        """
        output = OutputFile(export.output)
        check_library(export.output)
        requests = 0

        def count_requests(*args: Any, **options: Any) -> Any:
            nonlocal requests
            requests += 1
            return self.request_steps(*args, **options)

        leads = LeadSearch(count_requests, self.account_id, self.cancel_token)
        reader = LeadReader(
            leads,
            self.campaigns,
            self.cancel_token,
            export.on_changed == "continue",
            'Run the task again, or set on_changed="continue"',
        )
        log.info("Exporting leads with %s of account %s", export.selection.describe(), self.account_id)
        store = LeadStore(export.fields)
        try:
            if not export.selection.empty_reason:
                reader.read(export.selection, store)
            counted_at = datetime.now(timezone.utc)
            types = {name: ROW_FIELDS[name] for name in export.fields if ROW_FIELDS[name] != "string"}
            count, filtered_out = len(store), store.left_out
            written = output.write(lambda file: write_rows(file, export.output, export.fields, types, store))
        finally:
            store.close()
        manifest = None
        if export.manifest:
            manifest = output.write_manifest(
                {
                    "rows": count,
                    "bytes": written.size,
                    "sha256": written.sha256,
                    "columns": list(export.fields),
                    "criteria": export.selection.describe(),
                    "counted_at": counted_at.isoformat(),
                    "complete": not reader.incomplete,
                }
            )
        else:
            output.remove_manifest()
        log.info("Exported %s in %d requests", counted(count, "lead"), requests)
        if filtered_out:
            log.info("%s did not match the volatile criteria", counted(filtered_out, "lead"))
        return ExportResult(
            count=count,
            filtered_out=filtered_out,
            bytes=written.size,
            path=written.path,
            sha256=written.sha256,
            manifest=manifest,
            complete=not reader.incomplete,
            requests=requests,
            account_id=self.account_id,
        )


def validate_fields(fields: object) -> None:
    """Raise if the fields of an export are not valid.

    :param fields: names of fields of RingCX's rows.
    :raises InvalidParameter: if there are none, or one is unknown or repeated.
    """
    if isinstance(fields, (str, Mapping)) or not isinstance(fields, Sequence) or not fields:
        raise InvalidParameter("fields must be a list of fields")
    for name in fields:
        if name not in ROW_FIELDS:
            raise InvalidParameter(
                f"fields: RingCX's rows have no field {name!r}{did_you_mean(name, ROW_FIELDS)}"
            )
    if len(set(fields)) != len(fields):
        raise InvalidParameter("fields: a field is repeated")
