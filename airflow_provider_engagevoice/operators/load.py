"""Operators that load rows into a campaign, and that update its leads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook, no_retry_on_permanent_errors
from airflow_provider_engagevoice.operators.rows import BaseRowsOperator, parse_rendered
from airflow_provider_engagevoice.provenance import is_mapped_copy, records_arguments
from airflow_provider_engagevoice.ringcx.criteria import is_runtime_value
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE, MAX_UPDATES
from airflow_provider_engagevoice.ringcx.exceptions import require_bool
from airflow_provider_engagevoice.templating import require_own_path, require_rendered

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["LoadLeadsOperator", "UpdateLeadsOperator"]


class BaseLoadOperator(BaseRowsOperator):
    """Base class: sends the rows, and records what was changed."""

    template_fields: Sequence[str] = (*BaseRowsOperator.template_fields, "report")

    @records_arguments
    def __init__(
        self,
        *,
        on_rejected: str = "fail",
        max_updates: int | None = MAX_UPDATES,
        max_in_flight: int | None = None,
        report: str | None = None,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        # Before the base class, which validates all arguments.
        self.on_rejected = on_rejected
        self.max_updates = max_updates
        self.max_in_flight = max_in_flight
        self.report = report
        self.dry_run = dry_run
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Load or update the leads.

        :param context: the task's context.
        :return: counts, without any lead's data: ``campaign_id, account_id, dry_run, rows, leads_supplied,
            leads_inserted, leads_updated, leads_skipped, leads_rejected, leads_unknown, requests, report,
            list_name``.
        :raises AirflowFailException: if a retry cannot help.
        :raises EngageVoiceError: if a retry can help.
        """
        with no_retry_on_permanent_errors():
            require_own_path(self, "report", context)
            hook = self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
            try:
                result = self._run(hook, self._arguments(), context)
            except BaseException:
                self._push_result(context, hook.rows_result)
                raise
            counts = {name: result[name] for name in ("leads_inserted", "leads_updated")}
            self._record_changes(hook, context, result, counts, dry_run=self.dry_run)
            return dict(result)

    @abstractmethod
    def _run(self, hook: EngageVoiceHook, arguments: dict[str, Any], context: Context) -> LoadResult:
        """Load or update the leads with the arguments that both have."""

    def _validate_options(self) -> None:
        require_bool(dry_run=self.dry_run)

    def _arguments(self) -> dict[str, Any]:
        """Return the arguments of the hook's method that loads and updates share."""
        return {
            "campaign": require_rendered(self, "campaign"),
            **self._rows(),
            "mapping": parse_rendered("mapping", self.mapping),
            "unmapped": self.unmapped,
            "delimiter": self.delimiter,
            "max_in_flight": self.max_in_flight,
            "expect_rows": require_rendered(self, "expect_rows"),
            "allow_empty": self.allow_empty,
            "max_updates": self.max_updates,
            "on_rejected": self.on_rejected,
            "max_rejected": self.max_rejected,
            "report": require_rendered(self, "report"),
            "dry_run": self.dry_run,
            "account_id": require_rendered(self, "account_id"),
        }


class LoadLeadsOperator(BaseLoadOperator):
    """Load rows into a campaign, each once.

    All rows are read and checked before the first request; an empty, short or changed source fails the task
    without sending anything. A row counts as loaded only if RingCX shows it: in the result of the request,
    or in a search for its external id. A retry, on any worker, loads only the rows that RingCX does not have
    (docs/loading.md).

    :param campaign: name or id of the campaign, or the campaign as the sensor returns it (templated).
    :param leads: the rows: a list of dicts, or the output of another task (templated). Either this or
        ``source``. The rendered rows are not shown in the UI.
    :param source: file of rows (templated): a path, an object storage URL such as ``s3://conn@bucket/key``,
        or an ``ObjectStoragePath``; ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``.
    :param mapping: field of the lead by column, such as ``{"crm_id": "externId", "mobile": "leadPhone",
        "plan": "extendedLeadData.plan"}`` (templated); default None, the columns have RingCX's names.
    :param unmapped: what to do about other columns: ``"fail"`` (default), ``"ignore"``, or ``"extended"`` to
        put them into ``extendedLeadData``.
    :param delimiter: delimiter of a CSV file; default None, the one of ``, ; tab |`` in its header.
    :param list_name: name of the lists that the load makes (templated); default made of DAG, task and run.
    :param existing: what to do about external ids that the campaign has already: ``"load"`` (default) loads
        the row all the same, ``"skip"`` leaves it out, ``"update"`` updates the lead, ``"fail"`` fails the
        task before anything is sent.
    :param load_options: RingCX's options by name, such as ``{"dialPriority": "IMMEDIATE"}`` (templated);
        default ``NORMAL``, ``RETAIN_ALL``, ``NPA_NXX`` and ``ACTIVE``. Source: contract,
        ``LeadListProcessingRequest``.
    :param chunk_size: number of rows in one request, 1 to 1,000; default 500. Each request makes a list.
    :param max_in_flight: most requests in flight at once, 1 to 16; default None, 8.
    :param expect_rows: number of rows that the source must have, ``">=1000"``, or the path of a manifest
        (templated); default None, any number.
    :param allow_empty: accept a source without rows; default False.
    :param max_leads: fail if there are more valid rows; default None, no limit.
    :param max_updates: fail if ``existing="update"`` would update more leads; default 1,500; None for no
        limit.
    :param on_rejected: what to do about rejected rows: ``"fail"`` (default) sends nothing if a row is wrong
        and stops when RingCX rejects one, ``"continue"`` loads the others and fails at the end, ``"ignore"``
        loads the others.
    :param max_rejected: rejected rows that are accepted all the same: a number, or a percentage of the rows
        such as ``"1%"``; default None.
    :param report: path on the worker of a private CSV file (templated) with one line for each row,
        ``row,external_id,outcome,code,message,lead_id``; default None, no report. Each mapped task needs a
        different path, with ``{{ ti.map_index }}`` in it.
    :param dry_run: check the rows and look up existing ones, but send nothing; default False.
    :param verify: look up afterwards whether the campaign has all leads; default True.
    :param account_id: sub-account (templated); default the connection's, else the only one.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = (*BaseLoadOperator.template_fields, "list_name", "load_options")
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "load_options": "json",
        **BaseLoadOperator.template_fields_renderers,
    }

    @records_arguments
    def __init__(
        self,
        *,
        campaign: str | int | Any,
        leads: Any = None,
        source: str | Any | None = None,
        mapping: Mapping[str, str] | Any | None = None,
        unmapped: str = "fail",
        delimiter: str | None = None,
        list_name: str | None = None,
        existing: str = "load",
        load_options: Mapping[str, Any] | Any | None = None,
        chunk_size: int = CHUNK_SIZE,
        max_in_flight: int | None = None,
        expect_rows: int | str | Any | None = None,
        allow_empty: bool = False,
        max_leads: int | None = None,
        max_updates: int | None = MAX_UPDATES,
        on_rejected: str = "fail",
        max_rejected: int | str | None = None,
        report: str | None = None,
        dry_run: bool = False,
        verify: bool = True,
        account_id: str | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        # Before the base class, which validates all arguments.
        self.list_name = list_name
        self.existing = existing
        self.load_options = load_options
        self.chunk_size = chunk_size
        self.max_leads = max_leads
        self.verify = verify
        super().__init__(
            campaign=campaign,
            leads=leads,
            source=source,
            mapping=mapping,
            unmapped=unmapped,
            delimiter=delimiter,
            expect_rows=expect_rows,
            allow_empty=allow_empty,
            on_rejected=on_rejected,
            max_rejected=max_rejected,
            max_updates=max_updates,
            max_in_flight=max_in_flight,
            report=report,
            dry_run=dry_run,
            account_id=account_id,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )

    def _validate_options(self) -> None:
        from airflow_provider_engagevoice.ringcx.loading.options import LoadOptions

        super()._validate_options()
        require_bool(verify=self.verify)
        is_known = not is_runtime_value(self.load_options) and not is_mapped_copy(self)
        LoadOptions(
            existing=self.existing,
            load_options=self.load_options if is_known else None,
            chunk_size=self.chunk_size,
            max_leads=self.max_leads,
            max_updates=self.max_updates,
            max_in_flight=self.max_in_flight,
            on_rejected=self.on_rejected,
            max_rejected=self.max_rejected,
        )

    def _run(self, hook: EngageVoiceHook, arguments: dict[str, Any], context: Context) -> LoadResult:
        from airflow_provider_engagevoice.hooks.task_identity import task_identity

        return hook.load_leads(
            **arguments,
            # Without list_name: a template of the current time differs in each attempt.
            load_id=task_identity(context),
            list_name=require_rendered(self, "list_name"),
            existing=self.existing,
            load_options=parse_rendered("load_options", self.load_options),
            chunk_size=self.chunk_size,
            max_leads=self.max_leads,
            verify=self.verify,
        )


class UpdateLeadsOperator(BaseLoadOperator):
    """Change the fields of a campaign's leads that differ from rows.

    Each row has an external id and the fields to change; a blank value changes nothing. RingCX changes one
    lead in each request and allows 150 a minute (contract). Other arguments as for
    :class:`LoadLeadsOperator`.

    :param max_updates: fail if more leads differ, before anything is changed; default 1,500, which takes ten
        minutes; None for no limit.
    :param on_rejected: what to do about rows that no lead of the campaign has, or several: ``"fail"``
        (default) changes nothing, ``"continue"`` updates the others and fails at the end, ``"ignore"``
        updates the others.
    """

    def _validate_options(self) -> None:
        from airflow_provider_engagevoice.ringcx.loading.options import UpdateOptions

        super()._validate_options()
        UpdateOptions(self.max_updates, self.max_in_flight, self.on_rejected, self.max_rejected)

    def _run(self, hook: EngageVoiceHook, arguments: dict[str, Any], context: Context) -> LoadResult:
        return hook.update_leads(**arguments)
