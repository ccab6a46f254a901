"""Operators that keep a campaign in step with another system: plan, apply, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import (
    EngageVoiceHook,
    no_retry_on_permanent_errors,
    open_rows,
    open_storage,
)
from airflow_provider_engagevoice.operators.rows import (
    BaseRowsOperator,
    BaseRowSourceOperator,
    SqlRowsMixin,
    parse_rendered,
)
from airflow_provider_engagevoice.provenance import is_mapped_copy, records_arguments
from airflow_provider_engagevoice.ringcx.criteria import is_runtime_value
from airflow_provider_engagevoice.ringcx.defaults import MAX_UPDATES
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, error_place
from airflow_provider_engagevoice.templating import require_own_path, require_rendered, unwrap

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.loading.lead_rows import LeadRows
    from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["ApplySyncOperator", "PlanSyncOperator", "SyncLeadsOperator"]

_SQL_FIELDS = ("sql", "sql_conn_id", "parameters")
_ON_UNSAFE = ("fail", "succeed")


class PlanSyncOperator(SqlRowsMixin, BaseRowsOperator):
    """Compare a campaign with rows, and write a plan of what would make it equal to them.

    Nothing is changed in RingCX. A plan that exceeds a limit is written and shown, and then fails the task;
    it is applied only if a person approves its fingerprint (docs/sync.md).

    :param campaign: name or id of the campaign, or the campaign as the sensor returns it (templated).
    :param leads: the rows that the campaign should have: a list of dicts, or the output of another task
        (templated). Exactly one of ``leads``, ``source`` and ``sql``. The rendered rows are not shown in the
        UI.
    :param source: file of rows, as for :class:`LoadLeadsOperator` (templated).
    :param sql: one query, or the name of a ``.sql`` file (templated); needs ``sql_conn_id`` and the extra
        ``sql``.
    :param sql_conn_id: connection of the database (templated).
    :param parameters: values of the query's placeholders (templated), not shown in the UI; default none.
    :param mapping: field of the lead by column (templated); default None, the columns have RingCX's names.
    :param unmapped: what to do about other columns: ``"fail"`` (default), ``"ignore"`` or ``"extended"``.
    :param delimiter: delimiter of a CSV file; default None, the one in its header.
    :param plan: folder of the plan, a path or an object storage URL (templated). Each mapped task needs a
        different one, with ``{{ ti.map_index }}`` in it.
    :param on_surplus: what to do with managed leads that the rows do not have; required: ``"ignore"``,
        ``"suppress"``, ``"pause"``, ``"cancel"``, ``"delete"`` or ``{"move": "<campaign>"}`` (templated).
    :param on_missing: what to do about rows that the campaign does not have: ``"load"`` (default) or
        ``"ignore"``.
    :param on_changed: what to do about leads whose fields in ``compare`` differ: ``"ignore"`` (default) or
        ``"update"``.
    :param compare: fields of a lead that are compared; default none.
    :param on_duplicate: what to do about several managed leads with one external id: ``"report"`` (default),
        or remove all but one: ``"keep_newest"``, ``"keep_most_passes"``.
    :param manages: leads that may be changed or removed: ``"own"`` (default), those that this sync has
        loaded, or ``"campaign"``, all of the campaign.
    :param sync_name: name of the sync, which owns the leads that it loads (templated); default DAG and task,
        whose names must then be kept. Mapped tasks need one: two syncs of one campaign must not share it.
    :param normalize_key: how external ids of both sides are changed before they are compared: any of
        ``"strip"``, ``"casefold"`` and ``"nfc"``; default None, they are compared exactly.
    :param max_removals: limit of removed leads: a number, a percentage of the managed leads, or both; default
        ``("10%", 1000)``. Reaching it counts as exceeding it; 0 allows none; None is no limit.
    :param max_loads: limit of loaded rows: a number, a percentage of the campaign's leads, or both; default
        ``("50%", 20000)``.
    :param max_updates: limit of updated leads; default 1,500, which takes ten minutes.
    :param allow_empty: accept a source without rows; default False.
    :param expect_rows: number of rows that the source must have, ``">=1000"``, or the path of a manifest
        (templated); default None, any number.
    :param max_rejected: rejected rows that are accepted: a number, or a percentage such as ``"1%"``; default
        None, none. Nothing is done for a rejected row, nor for the lead with its external id.
    :param expires_after: time after which the plan is no longer applied; default 12 hours.
    :param list_name: name of the lists that applying the plan makes (templated); default DAG, task and run.
    :param load_options: RingCX's options of loads by name (templated); default None.
    :param on_unsafe: what to do if the plan exceeds a limit: ``"fail"`` (default), or ``"succeed"`` so that a
        later task asks a person. It is not applied without an approval in either case.
    :param account_id: sub-account (templated); default the connection's, else the only one.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = (
        *BaseRowsOperator.template_fields,
        *_SQL_FIELDS,
        "plan",
        "on_surplus",
        "sync_name",
        "list_name",
        "load_options",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        "load_options": "json",
        **BaseRowsOperator.template_fields_renderers,
    }

    @records_arguments
    def __init__(
        self,
        *,
        campaign: str | int | Any,
        plan: str | Any,
        on_surplus: str | Mapping[str, str | int] | Any,
        leads: Any = None,
        source: str | Any | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Mapping[str, Any] | Sequence[Any] | Any | None = None,
        mapping: Mapping[str, str] | Any | None = None,
        unmapped: str = "fail",
        delimiter: str | None = None,
        on_missing: str = "load",
        on_changed: str = "ignore",
        compare: Sequence[str] = (),
        on_duplicate: str = "report",
        manages: str = "own",
        sync_name: str | None = None,
        normalize_key: str | Sequence[str] | None = None,
        max_removals: int | str | Sequence[int | str] | None = ("10%", 1_000),
        max_loads: int | str | Sequence[int | str] | None = ("50%", 20_000),
        max_updates: int | None = MAX_UPDATES,
        allow_empty: bool = False,
        expect_rows: int | str | Any | None = None,
        max_rejected: int | str | None = None,
        expires_after: timedelta = timedelta(hours=12),
        list_name: str | None = None,
        load_options: Mapping[str, Any] | Any | None = None,
        on_unsafe: str = "fail",
        account_id: str | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        # Before the base class, which validates all arguments.
        self.plan = plan
        self.on_surplus = on_surplus
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.on_missing = on_missing
        self.on_changed = on_changed
        self.compare = compare
        self.on_duplicate = on_duplicate
        self.manages = manages
        self.sync_name = sync_name
        self.normalize_key = normalize_key
        self.max_removals = max_removals
        self.max_loads = max_loads
        self.max_updates = max_updates
        self.expires_after = expires_after
        self.list_name = list_name
        self.load_options = load_options
        self.on_unsafe = on_unsafe
        super().__init__(
            campaign=campaign,
            leads=leads,
            source=source,
            mapping=mapping,
            unmapped=unmapped,
            delimiter=delimiter,
            allow_empty=allow_empty,
            expect_rows=expect_rows,
            max_rejected=max_rejected,
            account_id=account_id,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Write the plan.

        :param context: the task's context.
        :return: ``plan``, its path; ``fingerprint``; ``counts``; ``trips``, the checks that it does not pass;
            ``summary``, Markdown without any lead's data; ``expires``. Also if the task fails because of a
            limit.
        :raises AirflowFailException: if the plan exceeds a limit, or a retry cannot help.
        :raises EngageVoiceError: if a retry can help.
        """
        with no_retry_on_permanent_errors():
            hook = self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
            result = self._plan(hook, context)
            if result["trips"] and self.on_unsafe == "fail":
                self._push_result(context, result)
                self._require_safe()
            return result

    def _plan(self, hook: EngageVoiceHook, context: Context) -> dict[str, Any]:
        from airflow_provider_engagevoice.hooks.task_identity import task_label
        from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference

        require_own_path(self, "plan", context)
        list_name = require_rendered(self, "list_name")
        result = (
            hook.get_conn()
            .syncs()
            .plan(
                campaign_reference("campaign", require_rendered(self, "campaign")),
                self._lead_rows(),
                self._options(),
                open_storage(require_rendered(self, "plan")),
                name=require_rendered(self, "sync_name") or f"{self.dag_id}.{self.task_id}",
                list_name=task_label(context) if list_name is None else list_name,
                max_rejected=self.max_rejected,
                run_id=_run_id(context),
                account_id=require_rendered(self, "account_id"),
            )
        )
        return dict(result)

    def _require_safe(self) -> None:
        """Raise if the plan exceeds a limit."""
        from airflow_provider_engagevoice.ringcx.sync.plan import require_safe
        from airflow_provider_engagevoice.ringcx.sync.plan_folder import PlanFolder

        require_safe(PlanFolder(open_storage(require_rendered(self, "plan"))).read())

    def _lead_rows(self) -> LeadRows:
        return open_rows(
            **self._rows(),
            mapping=parse_rendered("mapping", self.mapping),
            unmapped=self.unmapped,
            delimiter=self.delimiter,
            expect_rows=require_rendered(self, "expect_rows"),
            allow_empty=self.allow_empty,
        )

    def _options(self, *, is_rendered: bool = True) -> SyncOptions:
        """Return the options; before they are rendered, those that may be templates are left out."""
        from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions

        on_surplus, load_options = unwrap(self.on_surplus), self.load_options
        if not is_rendered:
            on_surplus = "suppress" if is_runtime_value(on_surplus) else on_surplus
            load_options = None if is_runtime_value(load_options) else load_options
        elif isinstance(on_surplus, str) and on_surplus.strip().startswith("{"):
            on_surplus = parse_rendered("on_surplus", on_surplus)
        return SyncOptions(
            on_surplus=on_surplus,
            on_missing=self.on_missing,
            on_changed=self.on_changed,
            compare=self.compare,
            on_duplicate=self.on_duplicate,
            manages=self.manages,
            normalize_key=self.normalize_key,
            max_removals=self.max_removals,
            max_loads=self.max_loads,
            max_updates=self.max_updates,
            expires_after=self.expires_after,
            load_options=parse_rendered("load_options", load_options),
        )

    def _validate_options(self) -> None:
        if self.on_unsafe not in _ON_UNSAFE:
            raise InvalidParameter(f'on_unsafe must be "fail" or "succeed", not {self.on_unsafe!r}')
        if not is_mapped_copy(self):
            self._options(is_rendered=False)
        elif self.sync_name is None:
            raise InvalidParameter("Set sync_name: mapped tasks would share the name of the task")


class ApplySyncOperator(SqlRowsMixin, BaseRowSourceOperator):
    """Apply a plan of :class:`PlanSyncOperator`: remove, then update, then load.

    Each lead is looked up again right before it is changed. Leads that are in use are held back, leads and
    rows that are not what they were are left alone, and all of them are counted. A retry continues where the
    attempt before has ended. The rows are read again: from the ``source`` of the plan, or pass ``leads`` or
    ``sql`` again.

    :param plan: folder of the plan (templated), such as ``{{ ti.xcom_pull("plan")["plan"] }}``.
    :param leads: the rows, if the plan was made with ``leads`` (templated).
    :param source: file of rows (templated); default the one of the plan.
    :param sql: the query, if the plan was made with ``sql`` (templated).
    :param sql_conn_id: connection of the database (templated).
    :param parameters: values of the query's placeholders (templated); default none.
    :param approve: fingerprint of the plan if a person has approved it although it exceeds a limit
        (templated); default None. Empty text means no approval.
    :param report: path on the worker of a private CSV file (templated) with one line for each change,
        ``action,row,external_id,outcome,code,message,lead_id``; default None, no report.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = (
        *BaseRowSourceOperator.template_fields,
        *_SQL_FIELDS,
        "plan",
        "approve",
        "report",
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"sql": "sql"}
    _source_is_optional: ClassVar[bool] = True

    @records_arguments
    def __init__(
        self,
        *,
        plan: str | Any,
        leads: Any = None,
        source: str | Any | None = None,
        sql: str | None = None,
        sql_conn_id: str | None = None,
        parameters: Mapping[str, Any] | Sequence[Any] | Any | None = None,
        approve: str | None = None,
        report: str | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(leads=leads, source=source, engagevoice_conn_id=engagevoice_conn_id, **kwargs)
        self.plan = plan
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        self.approve = approve
        self.report = report
        with error_place(f"{type(self).__name__}(task_id={self.task_id!r})"):
            if not is_mapped_copy(self):
                self._validate_source()

    def execute(self, context: Context) -> dict[str, Any]:
        """Apply the plan.

        :param context: the task's context.
        :return: counts, without any lead's data: ``plan, fingerprint, campaign_id, account_id, leads_removed,
            leads_updated, leads_inserted, leads_skipped, leads_rejected, held_back, left_alone,
            source_changed, requests, in_step, report``.
        :raises AirflowFailException: if the plan is refused, or a retry cannot help.
        :raises EngageVoiceError: if a retry can help.
        """
        with no_retry_on_permanent_errors():
            require_own_path(self, "report", context)
            hook = self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
            path = open_storage(require_rendered(self, "plan"))
            return _apply(self, hook, path, self._apply_rows, unwrap(self.approve), context)

    def _apply_rows(self, source: str | None) -> LeadRows:
        """Return the rows: those of this task, else those of the plan's source."""
        if any(self._has(name) for name in ("leads", "source", "sql")):
            return open_rows(**self._rows())
        if source is None:
            raise InvalidParameter("Pass leads or sql, as for the plan: its rows are not in a file")
        return open_rows(source=source)


class SyncLeadsOperator(PlanSyncOperator):
    """Plan and apply in one task, if the plan exceeds no limit.

    A retry applies the plan of the attempt before, so that it loads no row a second time. Other arguments as
    for :class:`PlanSyncOperator`.

    :param approve: fingerprint of a plan that a person has approved although it exceeds a limit (templated),
        such as ``{{ params.approve }}``; default None. Another plan is refused.
    :param report: path on the worker of a private CSV file (templated), as for :class:`ApplySyncOperator`.
    """

    template_fields: Sequence[str] = (*PlanSyncOperator.template_fields, "approve", "report")

    @records_arguments
    def __init__(self, *, approve: str | None = None, report: str | None = None, **kwargs: Any) -> None:
        self.approve = approve
        self.report = report
        super().__init__(**kwargs)

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan and apply.

        :param context: the task's context.
        :return: counts, as of :class:`ApplySyncOperator`.
        :raises AirflowFailException: if the plan exceeds a limit, or a retry cannot help.
        :raises EngageVoiceError: if a retry can help.
        """
        with no_retry_on_permanent_errors():
            require_own_path(self, "report", context)
            hook = self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
            path = open_storage(require_rendered(self, "plan"))
            started = hook.get_conn().syncs().started_plan(path, _run_id(context))
            if started is None:
                self._plan(hook, context)
            else:
                self.log.info("Continuing plan %s of an earlier attempt", started.fingerprint)
            rows = self._lead_rows()
            return _apply(self, hook, path, lambda source: rows, unwrap(self.approve), context)


def _run_id(context: Context) -> str:
    """Return what identifies the run of a task, the same for all its attempts."""
    from airflow_provider_engagevoice.hooks.task_identity import task_identity
    from airflow_provider_engagevoice.ringcx.loading.load_lists import load_token

    return load_token(task_identity(context) or ())


def _apply(
    operator: Any, hook: EngageVoiceHook, path: Any, rows: Any, approve: Any, context: Context
) -> dict[str, Any]:
    """Apply a plan; emit the asset event of its campaign, and keep the lineage.

    :param operator: the operator that runs.
    :param hook: its hook.
    :param path: folder of the plan.
    :param rows: returns the rows for the path of the plan's source.
    :param approve: fingerprint that a person has approved; empty for none.
    :param context: the task's context.
    """
    from airflow_provider_engagevoice.ringcx.leads.literals import is_blank

    syncs = hook.get_conn().syncs()
    try:
        result = syncs.apply(
            path,
            lambda plan: rows(plan.source["path"]),
            approve=None if approve is None or is_blank(approve) else str(approve).strip(),
            report=require_rendered(operator, "report"),
        )
    except BaseException:
        operator._push_result(context, syncs.result)
        raise
    names = ("leads_removed", "leads_updated", "leads_inserted")
    counts: dict[str, int] = {name: result[name] for name in names}  # type: ignore[literal-required]
    operator._record_changes(hook, context, result, counts)
    return dict(result)
