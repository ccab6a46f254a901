"""Base class of the operators that read rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.operators.base import RingCXOperator
from airflow_provider_engagevoice.provenance import is_mapped_copy, not_recording, records_arguments
from airflow_provider_engagevoice.ringcx.criteria import is_runtime_value
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, error_place, require_bool
from airflow_provider_engagevoice.templating import RedactedRows, require_rendered, unwrap

if TYPE_CHECKING:
    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
    from airflow_provider_engagevoice.version_compat import Context


class BaseRowSourceOperator(RingCXOperator):
    """Base class: where the rows are."""

    template_fields: Sequence[str] = ("leads", "source", "engagevoice_conn_id")

    @records_arguments
    def __init__(
        self,
        *,
        leads: Any = None,
        source: str | Any | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.leads = leads
        self.source = source
        self.engagevoice_conn_id = engagevoice_conn_id

    def _validate_source(self) -> None:
        if self._has("leads") == self._has("source"):
            raise InvalidParameter("Pass either leads or source")
        if isinstance(self.source, str) and not is_runtime_value(self.source):
            from airflow_provider_engagevoice.ringcx.files.paths import file_format

            file_format(self.source, "rows")

    def _rows(self) -> dict[str, Any]:
        """Return the rows, as the argument ``leads`` or ``source`` of the hook."""
        if self._has("source"):
            return {"source": require_rendered(self, "source")}
        leads = parse_rendered("leads", unwrap(self.leads))
        is_list = isinstance(leads, (list, tuple))
        return {"leads": [parse_rendered("leads", row) for row in leads] if is_list else leads}

    def _record_changes(
        self,
        hook: EngageVoiceHook,
        context: Context,
        campaign: Mapping[str, Any],
        counts: Mapping[str, int],
        *,
        dry_run: bool = False,
    ) -> None:
        """Emit the asset event of the campaign, and keep the lineage.

        :param hook: the hook that has changed the campaign.
        :param context: the task's context.
        :param campaign: anything with its ``account_id`` and ``campaign_id``.
        :param counts: number of changed leads of each kind.
        :param dry_run: nothing was changed.
        """
        from airflow_provider_engagevoice.assets import emit_campaign_event, warn_on_error
        from airflow_provider_engagevoice.lineage import Lineage, campaign_dataset, path_datasets

        account_id, campaign_id = campaign["account_id"], campaign["campaign_id"]
        with warn_on_error("determine the lineage"):
            changed = sum(counts.values())
            output = campaign_dataset(hook.get_conn().host, account_id, campaign_id, changed)
            self._lineage = Lineage(path_datasets(self.source), () if dry_run else (output,))
        emit_campaign_event(context, account_id, campaign_id, counts, dry_run=dry_run)

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, *args: Any, **kwargs: Any
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        if parent is self and self.leads is not None:
            with not_recording(self):
                self.leads = RedactedRows(unwrap(self.leads))


class BaseRowsOperator(BaseRowSourceOperator):
    """Base class: the rows, and what is expected of them."""

    template_fields: Sequence[str] = (
        "campaign",
        *BaseRowSourceOperator.template_fields,
        "mapping",
        "expect_rows",
        "account_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"mapping": "json"}

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
        expect_rows: int | str | Any | None = None,
        allow_empty: bool = False,
        max_rejected: int | str | None = None,
        account_id: str | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(leads=leads, source=source, engagevoice_conn_id=engagevoice_conn_id, **kwargs)
        self.campaign = campaign
        self.mapping = mapping
        self.unmapped = unmapped
        self.delimiter = delimiter
        self.expect_rows = expect_rows
        self.allow_empty = allow_empty
        self.max_rejected = max_rejected
        self.account_id = account_id
        self._validate()

    @abstractmethod
    def _validate_options(self) -> None:
        """Raise for options that are not valid and are no templates."""

    def _validate(self) -> None:
        """Raise for errors that are known when the DAG is parsed.

        Airflow shows an import error without the line of the DAG file, so the message names the task.
        """
        with error_place(f"{type(self).__name__}(task_id={self.task_id!r})"):
            require_bool(allow_empty=self.allow_empty)
            self._validate_options()
            if is_mapped_copy(self):
                return
            self._validate_source()
            if self.expect_rows is not None and not is_runtime_value(self.expect_rows):
                from airflow_provider_engagevoice.ringcx.loading.options import validate_expect_rows

                validate_expect_rows(self.expect_rows)
            if self.mapping is not None and not is_runtime_value(self.mapping):
                from airflow_provider_engagevoice.ringcx.loading.mapping import RowMapper

                RowMapper(self.mapping, self.unmapped)


class SqlRowsMixin:
    """The rows may be those of a SQL query: ``sql``, ``sql_conn_id`` and ``parameters``."""

    sql: str | None
    sql_conn_id: str | None
    parameters: Any

    #: The rows may be named elsewhere, so that none of the arguments is needed.
    _source_is_optional: ClassVar[bool] = False

    def _validate_source(self) -> None:
        """Raise unless one of the arguments for the rows is given."""
        given = [name for name in ("leads", "source", "sql") if self._has(name)]  # type: ignore[attr-defined]
        if len(given) > 1 or not (given or self._source_is_optional):
            number = "at most" if self._source_is_optional else "exactly"
            raise InvalidParameter(f"Pass {number} one of leads, source and sql")
        if "sql" in given:
            self._validate_sql()
        elif given:
            super()._validate_source()  # type: ignore[misc]

    def _validate_sql(self) -> None:
        """Raise if the query cannot be one."""
        if not isinstance(self.sql, str) or not self.sql.strip():
            raise InvalidParameter("sql must be a query, or the name of a .sql file")
        if not self.sql_conn_id:
            raise InvalidParameter("Pass sql_conn_id, the connection of the database, together with sql")

    def _rows(self) -> dict[str, Any]:
        """Return the rows, as the argument ``leads`` or ``source`` of the hook."""
        if not self._has("sql"):  # type: ignore[attr-defined]
            return super()._rows()  # type: ignore[misc]
        from airflow_provider_engagevoice.hooks.sql_rows import SqlRows

        parameters = unwrap(self.parameters)
        sql_conn_id = require_rendered(self, "sql_conn_id")
        return {"leads": SqlRows(sql_conn_id, str(self.sql), parameters or None)}

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, *args: Any, **kwargs: Any
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)  # type: ignore[misc]
        if parent is self and self.parameters is not None:
            with not_recording(self):
                self.parameters = RedactedRows(unwrap(self.parameters))


def parse_rendered(name: str, value: Any) -> Any:
    """Return the value of an argument that may be rendered text of it, as without native rendering.

    :param name: the argument.
    :param value: its value; text is JSON or a Python literal.
    :return: the value; None for the text of None, an empty list for that of one.
    :raises InvalidCriteria: if it is text of something else.
    """
    if not isinstance(value, str):
        return value
    if value.strip() in ("", "None", "null"):
        return None
    from airflow_provider_engagevoice.ringcx.leads.literals import is_blank, parse_text

    return [] if is_blank(value) else parse_text(value, name)
