"""Airflow hook for RingCX."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from itertools import chain
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_engagevoice.get_provider_info import (
    CONNECTION_TYPE,
    EXTRA_FIELDS,
    HIDDEN_FIELDS,
    HOOK_NAME,
    PLACEHOLDERS,
    RELABELING,
)
from airflow_provider_engagevoice.ringcx.criteria import UNSET
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE, MAX_UPDATES
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    NoLeadsMatched,
    PermanentError,
    error_place,
    require_bool,
    without_context,
)
from airflow_provider_engagevoice.version_compat import (
    AirflowFailException,
    AirflowSkipException,
    BaseHook,
    current_context,
    storage_path,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult
    from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
    from airflow_provider_engagevoice.ringcx.campaigns import Account, Campaign
    from airflow_provider_engagevoice.ringcx.client import RingCXClient
    from airflow_provider_engagevoice.ringcx.export.exporter import ExportResult
    from airflow_provider_engagevoice.ringcx.files.id_file import IdFile
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
    from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
    from airflow_provider_engagevoice.ringcx.loading.loader import LeadLoader
    from airflow_provider_engagevoice.ringcx.loading.updater import LeadUpdater
    from airflow_provider_engagevoice.version_compat import Connection, Context

__all__ = ["EngageVoiceHook", "no_retry_on_permanent_errors"]

#: Longest wait of a connection test for one response, in seconds.
_TEST_TIMEOUT = 10.0

log = logging.getLogger(__name__)

#: Ends of sentences and lines of a message.
_SENTENCES = re.compile(r"(?<=[.?!]) (?=[A-Z])|\n")

#: Package of each scheme of object storage URLs. Source: Airflow's documentation, "Object Storage".
_STORAGE_PACKAGES = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "s3a": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "gcs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
    "adl": "apache-airflow-providers-microsoft-azure",
}


class EngageVoiceHook(BaseHook):
    """Interact with RingCentral RingCX (formerly Engage Voice) through an Airflow connection.

    All tasks of a host share RingCX's rate limits and one access token; so do all hosts whose connection
    names the same Redis server in ``rate_limit_store``. The requests of one hook share one TCP connection.

    :param engagevoice_conn_id: id of a connection of type ``engagevoice``; default ``engagevoice_default``.
    """

    conn_name_attr = "engagevoice_conn_id"
    default_conn_name = "engagevoice_default"
    conn_type = CONNECTION_TYPE
    hook_name = HOOK_NAME

    def __init__(self, engagevoice_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.engagevoice_conn_id = engagevoice_conn_id
        self._client: RingCXClient | None = None
        self._cancelled = False
        self._rows_work: LeadLoader | LeadUpdater | None = None

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the extra fields of the connection form, for Airflow before 3.2.

        Newer versions read the provider info instead.

        :return: a widget for each field.
        """
        from flask_appbuilder.fieldwidgets import BS3PasswordFieldWidget, BS3TextFieldWidget
        from wtforms import IntegerField, PasswordField, StringField
        from wtforms.validators import Optional

        widgets = {}
        for name, field in EXTRA_FIELDS.items():
            secret = field["schema"].get("format") == "password"
            kind = (
                IntegerField
                if "integer" in field["schema"]["type"]
                else PasswordField
                if secret
                else StringField
            )
            widgets[name] = kind(
                field["label"],
                description=field["description"],
                validators=[Optional()],
                widget=BS3PasswordFieldWidget() if secret else BS3TextFieldWidget(),
            )
        return widgets

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return the labels of the connection form's standard fields, for Airflow before 3.2.

        :return: hidden fields, labels and placeholders.
        """
        return {
            "hidden_fields": list(HIDDEN_FIELDS),
            "relabeling": dict(RELABELING),
            "placeholders": dict(PLACEHOLDERS),
        }

    def get_conn(self) -> RingCXClient:
        """Return the client, created on the first call.

        :return: the client. It signs in before its first request.
        :raises InvalidParameter: if the connection lacks a field or has an invalid one.
        """
        if self._client is None:
            from airflow_provider_engagevoice.hooks.client_factory import build_client

            with error_place(f"Connection {self.engagevoice_conn_id!r}"):
                self._client = build_client(self._connection())
            self._client.connection_id = self.engagevoice_conn_id
            self._client.reload = lambda: build_client(self._connection())
            if self._cancelled:
                self._client.cancel_token.cancel()
        return self._client

    def _connection(self) -> Connection:
        if not isinstance(self.engagevoice_conn_id, str) or not self.engagevoice_conn_id.strip():
            raise InvalidParameter(
                f"engagevoice_conn_id must be the id of a connection, not {self.engagevoice_conn_id!r}"
            )
        try:
            return self.get_connection(self.engagevoice_conn_id)
        except Exception as error:
            # Not imported: Airflow has moved the class.
            if type(error).__name__ != "AirflowNotFoundException":
                raise
        name = self.engagevoice_conn_id
        variable = f"AIRFLOW_CONN_{name.upper()}"
        if variable in os.environ:
            raise InvalidParameter(
                f"Correct the environment variable {variable}, which Airflow cannot read. It must be a JSON "
                "object or a URI; docs/connection.md has examples"
            )
        raise InvalidParameter(
            f"Create the connection {name!r}: Admin > Connections, type {HOOK_NAME}, or set "
            f"{variable}. No connection has this id"
        )

    def cancel(self) -> None:
        """Cancel the running call: send no further requests and interrupt rate-limit waits.

        A request in flight is completed first. The call raises ``Cancelled``. This method may be called from
        another thread or from a signal handler.
        """
        self._cancelled = True
        if self._client is not None:
            self._client.cancel_token.cancel()

    @without_context
    def perform_lead_action(
        self,
        lead_action: str,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        action_params: Mapping[str, Any] | str | None = None,
        *,
        source: Any = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        campaign: Any = UNSET,
        account_id: str | None = None,
        dry_run: bool = False,
        max_leads: int | None = None,
        account_wide: bool = False,
        chunk_size: int = CHUNK_SIZE,
        max_in_flight: int | None = None,
        on_no_match: str = "warn",
        on_invalid_id: str = "fail",
        on_rejected: str = "fail",
        report: str | PathLike[str] | None = None,
        verify: bool = False,
    ) -> ActionResult:
        """Perform a lead action.

        In a task, an automatic retry resumes the action and repeats nothing that may have been applied, as
        for the operators (docs/bulk-actions.md).

        :param lead_action: one of RingCX's 13 actions, such as ``CANCEL_LEADS``.
        :param search_criteria: which leads, with RingCX's keys or as ``LeadSearchCriteria``. An empty value
            selects nothing; leave a key out to mean "any". Lists of ids may have any length and may be
            iterators. Optional if there is a ``source``.
        :param action_params: the action's ``paramMap``; default none.
        :param source: file of ids: a path, an object storage URL or an ``ObjectStoragePath``. One id per line
            (``.txt`` or no suffix), ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``.
            The first line of a ``.csv`` is its header; a file without a header must be a ``.txt``.
        :param source_column: column of the ids, as in the header of the ``.csv``; default the only one.
        :param source_as: ``"externIds"`` (default), ``"leadIds"`` or ``"leadPhoneNumbers"``.
        :param campaign: name or id of a campaign, or the campaign as :meth:`find_campaign` returns it, to
            select from, in addition to the criteria; an empty value selects nothing.
        :param account_id: sub-account; default the campaign's, else the connection's, else the only one.
        :param dry_run: only count the leads; default False.
        :param max_leads: fail if more leads match; default None, no limit.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number;
            default False.
        :param chunk_size: maximum number of ids in one request; default 500.
        :param max_in_flight: most requests in flight at once, 1 to 16; default None: 8 for a retry-safe
            action, 1 for any other. Requests for phone numbers are always sent one at a time.
        :param on_no_match: what to do if no lead matches: ``"warn"`` (default) logs a warning with likely
            causes if there are ids, ``"fail"`` raises, ``"skip"`` skips the task.
        :param on_invalid_id: what to do about an id or phone number that can match no lead: ``"fail"``
            (default) raises, ``"skip"`` leaves it out, with a warning, and lists it in the report.
        :param on_rejected: what to do if RingCX rejects a request: ``"fail"`` (default) stops there,
            ``"continue"`` sends the remaining requests and fails at the end, ``"ignore"`` sends the remaining
            requests.
        :param report: path of a private CSV file, ``id,outcome``, of ids that were rejected or matched no
            lead; default None, no report.
        :param verify: count afterwards which leads are not in the expected state, retry the action for them
            if it is retry-safe, and fail if any remain after 5 checks; default False.
        :return: counts: ``lead_action, dry_run, leads_matched, leads_updated, leads_deleted,
            redials_deleted, dialer_refreshed, requests, account_id``; ``ids_rejected`` unless
            ``on_rejected`` is ``"fail"``, ``ids_not_found`` if there is a report.
        :raises InvalidCriteria: if the criteria are wrong or could select more leads than intended.
        :raises InvalidParameter: if a parameter is missing or wrong.
        :raises TooManyLeads: if more leads match than ``max_leads``.
        :raises NoLeadsMatched: if no lead matches and ``on_no_match`` is ``"fail"``.
        :raises AirflowSkipException: if no lead matches and ``on_no_match`` is ``"skip"``.
        :raises OutcomeUnknown: if an action that is not retry-safe may have been applied.
        :raises EngageVoiceError: for any other failure.
        """
        from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction, empty_result
        from airflow_provider_engagevoice.ringcx.bulk.options import validate_options

        require_bool(dry_run=dry_run, account_wide=account_wide, verify=verify)
        validate_options(max_leads, chunk_size, on_rejected, on_no_match, on_invalid_id, max_in_flight)
        id_file = None if source is None else open_source(source, source_column, source_as)
        found = None
        if campaign is UNSET:
            selection = self._selection(search_criteria, account_wide, id_file, on_invalid_id)
        else:
            selection, found = self._selection_in_campaign(
                search_criteria, id_file, campaign, account_id, on_invalid_id
            )
            account_id = found["account_id"] if found is not None else account_id
        action = BulkAction.create(
            lead_action,
            selection,
            action_params,
            dry_run=dry_run,
            max_leads=max_leads,
            chunk_size=chunk_size,
            max_in_flight=max_in_flight,
            on_no_match=on_no_match,
            on_rejected=on_rejected,
            report=report,
            verify=verify,
            source=found,
        )
        if selection.empty_reason:
            account = str(account_id or self.get_conn().account_id or "")
            return empty_result(action.name, account, dry_run=dry_run)
        with skip_on_no_match(on_no_match):
            return self.get_conn().lead_actions(account_id).execute(action, self._checkpoint_store())

    @without_context
    def search_leads(
        self,
        search_criteria: Mapping[str, Any] | str,
        *,
        account_id: str | None = None,
        account_wide: bool = False,
        complete: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Iterate over the leads that match, each once.

        Acting on leads while iterating is safe: the pages are read before the first lead is returned, up to
        500 ids at a time. Leads that other programs change meanwhile may be missing or not, unless
        ``complete``.

        :param search_criteria: as for :meth:`perform_lead_action`.
        :param account_id: sub-account; default the connection's, else the only one.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number;
            default False.
        :param complete: read all leads as :meth:`export_leads` does before the first is returned, so that
            each lead that matches throughout is among them, or raise ``LeadsChanged``; default False.
        :return: rows as RingCX returns them: ``leadId``, ``externId``, ``leadState`` and so on. They are
            personal data: keep them out of logs and XCom.
        :raises InvalidCriteria: if the criteria are wrong or could select more leads than intended.
        """
        require_bool(complete=complete)
        selection = self._selection(search_criteria, account_wide)
        if selection.empty_reason:
            return iter(())
        if complete:
            return self.get_conn().lead_exporter(account_id).read(selection)
        leads = self.get_conn().leads(account_id)
        chunks = selection.chunks(CHUNK_SIZE, disjoint=True)
        return chain.from_iterable(leads.search(chunk) for chunk in chunks)

    @without_context
    def export_leads(
        self,
        search_criteria: Mapping[str, Any] | str,
        output: Any,
        *,
        fields: Sequence[str] | None = None,
        on_changed: str = "fail",
        manifest: bool = True,
        account_id: str | None = None,
        account_wide: bool = False,
    ) -> ExportResult:
        """Write all leads that match to a file, and prove that none is missing.

        The criteria on facts that change while leads are read (states, passes, dispositions, times of calls)
        are applied here, not by RingCX; so all leads of the other criteria are read (docs/exporting.md).

        :param search_criteria: as for :meth:`perform_lead_action`. If nothing is selected, the file has no
            leads.
        :param output: a path, an object storage URL or an ``ObjectStoragePath``: ``.csv``, ``.jsonl``,
            ``.ndjson`` (each also as ``.gz``) or ``.parquet``. What is there is replaced at the end.
        :param fields: fields of each lead, in the order of the columns; default all of
            ``spec.lead_fields.ROW_FIELDS``.
        :param on_changed: what to do if leads change faster than they can be read: ``"fail"`` (default) or
            ``"continue"``.
        :param manifest: write ``<output>.meta.json`` afterwards; default True.
        :param account_id: sub-account; default the connection's, else the only one.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number;
            default False.
        :return: ``count, filtered_out, bytes, path, sha256, manifest, complete, requests, account_id``.
        :raises LeadsChanged: if leads change faster than they can be read, and ``on_changed`` is ``"fail"``.
        :raises InvalidCriteria: if the criteria are wrong or could select more leads than intended.
        :raises TransientError: if the file cannot be written. What was under its path is unchanged.
        """
        from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
        from airflow_provider_engagevoice.ringcx.spec.lead_fields import ROW_FIELDS

        require_bool(manifest=manifest)
        selection = self._selection(search_criteria, account_wide)
        export = LeadExport(
            selection,
            open_storage(output),
            tuple(ROW_FIELDS) if fields is None else fields,
            on_changed,
            manifest,
        )
        return self.get_conn().lead_exporter(account_id).execute(export)

    @without_context
    def count_leads(
        self,
        search_criteria: Mapping[str, Any] | str,
        *,
        account_id: str | None = None,
        account_wide: bool = False,
    ) -> int:
        """Return the number of leads that match, without fetching them.

        :param search_criteria: as for :meth:`perform_lead_action`.
        :param account_id: sub-account; default the connection's, else the only one.
        :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number;
            default False.
        :return: the number of leads.
        :raises InvalidCriteria: if the criteria are wrong or could select more leads than intended.
        """
        selection = self._selection(search_criteria, account_wide)
        if selection.empty_reason:
            return 0
        leads = self.get_conn().leads(account_id)
        return sum(leads.count(chunk) for chunk in selection.chunks(CHUNK_SIZE, disjoint=True))

    @without_context
    def load_leads(
        self,
        campaign: str | int | Mapping[str, Any],
        leads: Any = None,
        *,
        source: Any = None,
        mapping: Mapping[str, str] | None = None,
        unmapped: str = "fail",
        delimiter: str | None = None,
        list_name: str | None = None,
        existing: str = "load",
        load_options: Mapping[str, Any] | None = None,
        chunk_size: int = CHUNK_SIZE,
        max_in_flight: int | None = None,
        expect_rows: Any = None,
        allow_empty: bool = False,
        max_leads: int | None = None,
        max_updates: int | None = MAX_UPDATES,
        on_rejected: str = "fail",
        max_rejected: int | str | None = None,
        report: str | PathLike[str] | None = None,
        dry_run: bool = False,
        verify: bool = True,
        load_id: Any = None,
        account_id: str | None = None,
    ) -> LoadResult:
        """Load rows into a campaign, each once.

        All rows are read and checked before the first request. A later attempt of the same task, on any host,
        loads only the rows that RingCX does not have yet (docs/loading.md).

        :param campaign: name or id of the campaign, or the campaign as :meth:`find_campaign` returns it.
        :param leads: the rows: an iterable of dicts. Either this or ``source``.
        :param source: file of rows: a path, an object storage URL or an ``ObjectStoragePath``; ``.csv``,
            ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``.
        :param mapping: field of the lead by column, such as ``{"crm_id": "externId", "plan":
            "extendedLeadData.plan"}``; default None, the columns have RingCX's names.
        :param unmapped: what to do about other columns: ``"fail"`` (default), ``"ignore"``, or ``"extended"``
            to put them into ``extendedLeadData``.
        :param delimiter: delimiter of a CSV file; default None, the one of ``, ; tab |`` in its header.
        :param list_name: name of the lists that the load makes; default made of DAG, task and run.
        :param existing: what to do about external ids that the campaign has already: ``"load"`` (default)
            loads the row all the same, ``"skip"`` leaves it out, ``"update"`` updates the lead, ``"fail"``
            raises before anything is sent.
        :param load_options: RingCX's options by name, such as ``{"dialPriority": "IMMEDIATE"}``; default
            ``NORMAL``, ``RETAIN_ALL``, ``NPA_NXX`` and ``ACTIVE``.
        :param chunk_size: number of rows in one request, 1 to 1,000; default 500.
        :param max_in_flight: most requests in flight at once, 1 to 16; default None, 8.
        :param expect_rows: number of rows that the source must have, ``">=1000"``, or the path of a manifest;
            default None, any number.
        :param allow_empty: accept a source without rows; default False.
        :param max_leads: fail if there are more valid rows; default None, no limit.
        :param max_updates: fail if ``existing="update"`` would update more leads; default 1,500.
        :param on_rejected: what to do about rejected rows: ``"fail"`` (default) sends nothing if a row is
            wrong and stops when RingCX rejects one, ``"continue"`` loads the others and fails at the end,
            ``"ignore"`` loads the others.
        :param max_rejected: rejected rows that are accepted all the same: a number, or a percentage such as
            ``"1%"``; default None.
        :param report: path of a private CSV file with one line for each row,
            ``row,external_id,outcome,code,message,lead_id``; default None, no report.
        :param dry_run: check the rows and look up existing ones, but send nothing; default False.
        :param verify: look up afterwards whether the campaign has all leads; default True.
        :param load_id: identifies the load for later attempts; default the task instance with
            ``list_name``, outside of a task a new one. Several loads of one task into the same campaign need
            different ones.
        :param account_id: sub-account; default the connection's, else all are searched for the campaign.
        :return: counts, see ``LoadResult``: ``campaign_id, account_id, dry_run, rows, leads_supplied,
            leads_inserted, leads_updated, leads_skipped, leads_rejected, leads_unknown, requests, report,
            list_name``.
        :raises InvalidParameter: if an argument is wrong, or the source cannot be read.
        :raises SourceRejected: if the rows are empty, fewer than expected, or wrong. Nothing was sent.
        :raises LeadsExist: if the campaign has any of the rows and ``existing`` is ``"fail"``.
        :raises TooManyLeads: if there are more rows than ``max_leads`` or ``max_updates``.
        :raises RowsRejected: if RingCX rejects more rows than the options accept.
        :raises OutcomeUnknown: if RingCX does not show whether rows were loaded.
        :raises EngageVoiceError: for any other failure.
        """
        from airflow_provider_engagevoice.hooks.task_identity import run_started, task_label
        from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference
        from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions

        options = LoadOptions(
            existing=existing,
            load_options=load_options,
            chunk_size=chunk_size,
            max_leads=max_leads,
            max_updates=max_updates,
            max_in_flight=max_in_flight,
            on_rejected=on_rejected,
            max_rejected=max_rejected,
        )
        rows = open_rows(leads, source, mapping, unmapped, delimiter, expect_rows, allow_empty, report)
        checkpoints, client, context = self._checkpoint_store(), self.get_conn(), current_context()
        load = client.prepare_load(
            campaign_reference("campaign", campaign),
            rows,
            options,
            list_name=task_label(context) if list_name is None else list_name,
            load_id=_load_id(context, load_id, list_name),
            account_id=account_id,
            dry_run=dry_run,
            verify=verify,
            not_before=run_started(context),
        )
        loader = self._rows_work = client.lead_loader(load.campaign["account_id"])
        return loader.execute(load, checkpoints)

    @without_context
    def update_leads(
        self,
        campaign: str | int | Mapping[str, Any],
        leads: Any = None,
        *,
        source: Any = None,
        mapping: Mapping[str, str] | None = None,
        unmapped: str = "fail",
        delimiter: str | None = None,
        max_in_flight: int | None = None,
        expect_rows: Any = None,
        allow_empty: bool = False,
        max_updates: int | None = MAX_UPDATES,
        on_rejected: str = "fail",
        max_rejected: int | str | None = None,
        report: str | PathLike[str] | None = None,
        dry_run: bool = False,
        account_id: str | None = None,
    ) -> LoadResult:
        """Change the fields of a campaign's leads that differ from rows, in one request for each lead.

        RingCX allows 150 such requests a minute (contract). A retry finds what is left to change.

        :param campaign: as for :meth:`load_leads`.
        :param leads: the rows, each with an external id and the fields to change; a blank value changes
            nothing. Either this or ``source``.
        :param source: as for :meth:`load_leads`.
        :param mapping: as for :meth:`load_leads`.
        :param unmapped: as for :meth:`load_leads`.
        :param delimiter: as for :meth:`load_leads`.
        :param max_in_flight: most requests in flight at once, 1 to 16; default None, 8.
        :param expect_rows: as for :meth:`load_leads`.
        :param allow_empty: as for :meth:`load_leads`.
        :param max_updates: fail if more leads differ; default 1,500, which takes ten minutes; None for no
            limit.
        :param on_rejected: what to do about rows that no lead of the campaign has, or several:
            ``"fail"`` (default) changes nothing, ``"continue"`` updates the others and fails at the end,
            ``"ignore"`` updates the others.
        :param max_rejected: as for :meth:`load_leads`.
        :param report: as for :meth:`load_leads`.
        :param dry_run: only find what would change; default False.
        :param account_id: as for :meth:`load_leads`.
        :return: counts with the keys of :meth:`load_leads`.
        :raises TooManyLeads: if more leads differ than ``max_updates``. Nothing was changed.
        :raises RowsRejected: if more rows are rejected than the options accept.
        :raises EngageVoiceError: as for :meth:`load_leads`.
        """
        from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference
        from airflow_provider_engagevoice.ringcx.loading.options import UpdateOptions

        options = UpdateOptions(max_updates, max_in_flight, on_rejected, max_rejected)
        rows = open_rows(leads, source, mapping, unmapped, delimiter, expect_rows, allow_empty, report)
        client = self.get_conn()
        update = client.prepare_update(
            campaign_reference("campaign", campaign), rows, options, account_id=account_id, dry_run=dry_run
        )
        updater = self._rows_work = client.lead_updater(update.campaign["account_id"])
        return updater.execute(update)

    @property
    def rows_result(self) -> LoadResult | None:
        """Result of the load or update that runs or ran last, also if an exception ended it."""
        return None if self._rows_work is None else self._rows_work.result

    def find_campaign(
        self, campaign: str | int, *, account_id: str | None = None, dial_group_name: str | None = None
    ) -> Campaign:
        """Return a campaign by its exact name or its id.

        Sends one request per account, and one more if neither this call nor the connection names an account.

        :param campaign: name or id.
        :param account_id: search this sub-account only; default the connection's, else all.
        :param dial_group_name: search dial groups of this exact name only; default all.
        :return: ``account_id, dial_group_id, dial_group_name, campaign_id, campaign_name, is_active``.
        :raises CampaignNotFound: if there is none; the message lists the nearest names.
        :raises CampaignAmbiguous: if there are several; the message lists them.
        """
        return self.get_conn().campaigns.find(
            campaign, account_id=account_id, dial_group_name=dial_group_name
        )

    def request(
        self, method: str, path: str, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> Any:
        """Send a request to any other RingCX endpoint, with the same authentication, limits and errors.

        :param method: HTTP method. Only GET is retried if its outcome is unknown.
        :param path: path as in RingCX's guide, such as
            ``/voice/api/v1/admin/accounts/{accountId}/agentGroups``; ``{accountId}`` is replaced by the
            default sub-account.
        :param params: query parameters; default none.
        :param json: JSON body; default none.
        :return: the JSON value of the response, text, or None.
        :raises EngageVoiceError: of the class for what went wrong.
        """
        return self.get_conn().request(method, path, params, json)

    def test_connection(self) -> tuple[bool, str]:
        """Sign in and list the accounts that the user can access; changes nothing.

        Each request is sent once, and its response awaited for at most 10 seconds.

        :return: whether the connection works, and a message, which is logged as well.
        """
        # A separate client: the limits of a test must not hold for this hook's other calls.
        hook = copy(self)
        hook._client = None
        try:
            client = hook.get_conn()
            client.transport.limit_waits(_TEST_TIMEOUT)
            works, message = _describe_accounts(client, client.campaigns.accounts())
        except EngageVoiceError as error:
            # The form tests an unsaved connection under an id that it makes up.
            error.place = ""
            works, message = False, str(error)
        finally:
            if hook._client is not None:
                hook._client.close()
        log.log(logging.INFO if works else logging.ERROR, "%s", message)
        return works, message

    def _checkpoint_store(self) -> CheckpointStore | None:
        """Return the store of the next action's checkpoint; None outside of a task."""
        context = current_context()
        if context is None:
            return None
        from airflow_provider_engagevoice.hooks.checkpoints import checkpoints_of

        return checkpoints_of(context, self.get_conn().authenticator.store).next_action()

    def _selection_in_campaign(
        self,
        search_criteria: Mapping[str, Any] | str | Any,
        source: IdFile | None,
        campaign: Any,
        account_id: str | None,
        on_invalid: str,
    ) -> tuple[Selection, Campaign | None]:
        """Return the selection narrowed to a campaign, and the campaign; None if nothing is selected."""
        from airflow_provider_engagevoice.ringcx.leads.literals import is_blank
        from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection

        selection = self._selection(search_criteria, True, source, on_invalid)
        if selection.empty_reason:
            return selection, None
        if is_blank(campaign):
            self.log.warning("Nothing selected: campaign is empty. Leave it out to mean any")
            return Selection({}, "campaign is empty"), None
        found = self.find_campaign(campaign_reference("campaign", campaign), account_id=account_id)
        return selection.narrow_to_campaign(found["campaign_id"]), found

    def _selection(
        self,
        search_criteria: Mapping[str, Any] | str | Any,
        account_wide: bool,
        source: IdFile | None = None,
        on_invalid: str = "fail",
    ) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.selection import build_selection

        require_bool(account_wide=account_wide)
        selection = build_selection(
            search_criteria, account_wide=account_wide, source=source, on_invalid=on_invalid
        )
        if selection.empty_reason:
            self.log.warning("Nothing selected: %s. Leave a key out to mean any", selection.empty_reason)
        return selection


def _describe_accounts(client: RingCXClient, accounts: Sequence[Account]) -> tuple[bool, str]:
    """Return whether tasks can use a connection that has signed in, and a message."""
    ids = [account["account_id"] for account in accounts]
    names = ", ".join(f"{each['account_id']} ({each['account_name']})" for each in accounts) or "none"
    signed_in = f"Signed in to {client.host}"
    if client.account_id and client.account_id not in ids:
        return False, f"{signed_in}, but account_id {client.account_id} is not among: {names}"
    message = f"{signed_in}; sub-accounts: {names}"
    if not client.account_id and len(ids) > 1:
        message += ". Set account_id, unless each task sets its own: tasks without one will fail"
    return True, message


def _load_id(context: Context | None, load_id: Any, list_name: str | None) -> Any:
    """Return what identifies a load of the running task.

    :raises InvalidParameter: if the task has made a load that would have the same lists.
    """
    if context is None:
        return load_id
    from airflow_provider_engagevoice.hooks.task_identity import task_identity

    identity = [*(task_identity(context) or ()), list_name] if load_id is None else load_id
    used: list[Any] = cast("Any", context).setdefault("engagevoice_loads", [])
    if identity in used:
        raise InvalidParameter(
            "Pass a load_id: this task has begun a load with the same list_name already, whose leads would "
            "count as those of this one"
        )
    used.append(identity)
    return identity


@contextmanager
def skip_on_no_match(on_no_match: str) -> Iterator[None]:
    """Skip the task if no lead matches and ``on_no_match`` is ``"skip"``.

    :param on_no_match: the option of the action.
    :raises AirflowSkipException: in place of ``NoLeadsMatched``.
    """
    try:
        yield
    except NoLeadsMatched as error:
        if on_no_match != "skip":
            raise
        # Airflow hides the message of the exception in a collapsed group of the log.
        log.warning("%s. Task skipped (on_no_match='skip')", error)
        raise AirflowSkipException(str(error)) from None


@contextmanager
def no_retry_on_permanent_errors() -> Iterator[None]:
    """Fail the task without a retry if a retry cannot help, and log each error of this package.

    The log has one line for each sentence of the message, because Airflow does not wrap long lines.

    The operators and the sensor do this already. Use it around calls of the hook in a ``@task`` that has
    retries. Without it, Airflow retries the task as well, and the hook refuses to repeat the action.

    :raises AirflowFailException: in place of a ``PermanentError``.
    """
    try:
        yield
    except EngageVoiceError as error:
        for line in _SENTENCES.split(f"{type(error).__name__}: {error}"):
            log.error("%s", line)
        if error.__suppress_context__:
            # Only hidden otherwise; it may contain data of leads.
            error.__context__ = None
        if not isinstance(error, PermanentError):
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from None


def open_source(source: Any, column: str | None, source_as: str) -> IdFile:
    """Open a file of ids.

    :param source: a path, an object storage URL or an ``ObjectStoragePath``.
    :param column: column of the ids; None for the only one.
    :param source_as: what the ids are, such as ``externIds``.
    :return: the file.
    :raises InvalidParameter: if it cannot be read; if its storage needs a package that is not installed.
    """
    from airflow_provider_engagevoice.ringcx.files.id_file import open_id_file

    return open_id_file(open_storage(source), column, source_as)


def open_rows(
    leads: Any = None,
    source: Any = None,
    mapping: Mapping[str, str] | None = None,
    unmapped: str = "fail",
    delimiter: str | None = None,
    expect_rows: Any = None,
    allow_empty: bool = False,
    report: str | PathLike[str] | None = None,
) -> LeadRows:
    """Return rows whose files may be objects in storage.

    The parameters are those of ``LeadRows``; paths may also be URLs of object storage.
    """
    from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows

    return LeadRows(
        leads,
        None if source is None else open_storage(source),
        mapping,
        unmapped,
        delimiter,
        storage_path(expect_rows),
        allow_empty,
        report,
    )


def open_storage(source: Any) -> Any:
    """Return the path of a source; for an object storage URL, an ``ObjectStoragePath``.

    :param source: a path, an object storage URL or an ``ObjectStoragePath``.
    :return: the path.
    :raises InvalidParameter: if its storage needs a package that is not installed.
    """
    path = storage_path(source)
    scheme = source.partition("://")[0] if isinstance(source, str) and "://" in source else ""
    try:
        # Airflow looks for the package of the scheme only now.
        getattr(path, "fs", None)
    except (ImportError, ValueError):
        package = _STORAGE_PACKAGES.get(scheme)
        hint = f'Install the package for it: pip install "{package}"' if package else "Use another storage"
        raise InvalidParameter(f"{hint}. Airflow cannot open {scheme or type(path).__name__}://") from None
    return path
