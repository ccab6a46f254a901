"""Operator that loads the rows of a SQL query into a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from airflow_provider_engagevoice.operators.load import LoadLeadsOperator
from airflow_provider_engagevoice.operators.rows import SqlRowsMixin
from airflow_provider_engagevoice.provenance import records_arguments
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE, MAX_UPDATES

__all__ = ["SqlToEngageVoiceOperator"]


class SqlToEngageVoiceOperator(SqlRowsMixin, LoadLeadsOperator):
    """Load the rows of a SQL query into a campaign, each once.

    The query runs once and is read to its end before the first request to RingCX, through the hook of the
    database's connection, whatever its type. Needs the extra ``sql``:
    ``pip install "airflow-provider-engagevoice[sql]"``. Other arguments as for :class:`LoadLeadsOperator`.

    :param sql: one query, or the name of a ``.sql`` file (templated). Columns have the names of fields of a
        lead, or those of ``mapping``. Pass values as ``parameters``, which are not shown in the UI.
    :param sql_conn_id: connection of the database (templated).
    :param parameters: values of the query's placeholders, as the driver takes them (templated); default none.
    """

    template_fields: Sequence[str] = (
        "sql",
        "sql_conn_id",
        "parameters",
        *(name for name in LoadLeadsOperator.template_fields if name not in ("leads", "source")),
    )
    template_ext: Sequence[str] = (".sql",)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "sql": "sql",
        **LoadLeadsOperator.template_fields_renderers,
    }

    @records_arguments
    def __init__(
        self,
        *,
        sql: str,
        sql_conn_id: str,
        campaign: str | int | Any,
        parameters: Mapping[str, Any] | Sequence[Any] | Any | None = None,
        mapping: Mapping[str, str] | Any | None = None,
        unmapped: str = "fail",
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
        self.sql = sql
        self.sql_conn_id = sql_conn_id
        self.parameters = parameters
        super().__init__(
            campaign=campaign,
            mapping=mapping,
            unmapped=unmapped,
            list_name=list_name,
            existing=existing,
            load_options=load_options,
            chunk_size=chunk_size,
            max_in_flight=max_in_flight,
            expect_rows=expect_rows,
            allow_empty=allow_empty,
            max_leads=max_leads,
            max_updates=max_updates,
            on_rejected=on_rejected,
            max_rejected=max_rejected,
            report=report,
            dry_run=dry_run,
            verify=verify,
            account_id=account_id,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )

    def _validate_source(self) -> None:
        self._validate_sql()
