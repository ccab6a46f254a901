"""Operator that exports leads to a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook, open_storage
from airflow_provider_engagevoice.operators.base import BaseLeadOperator
from airflow_provider_engagevoice.provenance import records_arguments
from airflow_provider_engagevoice.ringcx.criteria import UNSET, is_runtime_value
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.templating import require_own_path, require_rendered

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["ExportLeadsOperator"]


class ExportLeadsOperator(BaseLeadOperator):
    """Write all leads that match to a file, and prove that none is missing.

    The leads are read in parts that fit one request each; a part is complete if it has as many leads as
    RingCX counts. Criteria on facts that change while leads are read (states, passes, dispositions, times of
    calls) are applied to the rows here, not by RingCX. The file appears only when it is complete: under its
    path there is the old file or the new one, never a part (docs/exporting.md).

    :param search_criteria: which leads, as for :class:`LeadActionOperator` (templated).
    :param output: a path on the worker, an object storage URL such as ``s3://conn@bucket/key``, or an
        ``ObjectStoragePath`` (templated): ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or
        ``.parquet``. Each mapped task needs a different path, with ``{{ ti.map_index }}`` in it.
    :param fields: fields of each lead, in the order of the columns (templated); default None, all fields of
        ``spec.lead_fields.ROW_FIELDS``.
    :param campaign: name or id of a campaign, or the campaign as the sensor returns it, to select from, in
        addition to the criteria (templated); default None.
    :param source: file of ids, in addition to the criteria or in their place, as for
        :class:`LeadActionOperator` (templated).
    :param source_column: column of the ids (templated).
    :param source_as: ``"externIds"`` (default), ``"leadIds"`` or ``"leadPhoneNumbers"``.
    :param on_changed: what to do if leads change faster than they can be read, three times: ``"fail"``
        (default; Airflow retries the task) or ``"continue"`` (the result has ``complete: False``).
    :param on_empty: what to do if nothing is selected: ``"skip"`` (default), ``"fail"``, or ``"succeed"``
        with a file without leads.
    :param manifest: write ``<output>.meta.json`` afterwards, with rows, bytes, sha256 and columns, which
        :class:`LoadLeadsOperator` checks; default True.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number;
        default False.
    :param account_id: sub-account (templated); default the connection's, else the only one.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = (
        "output_path",
        "fields",
        "campaign",
        *(name for name in BaseLeadOperator.template_fields if name != "report"),
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "fields": "json",
        **BaseLeadOperator.template_fields_renderers,
    }

    @records_arguments
    def __init__(
        self,
        *,
        output: str | Any,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        fields: Sequence[str] | Any | None = None,
        campaign: str | int | Any | None = None,
        source: str | Any | None = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        on_changed: str = "fail",
        on_empty: str = "skip",
        manifest: bool = True,
        account_wide: bool = False,
        account_id: str | None = None,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            search_criteria=search_criteria,
            source=source,
            source_column=source_column,
            source_as=source_as,
            on_empty=on_empty,
            account_wide=account_wide,
            account_id=account_id,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )
        # Airflow's operators have a property named output: their XCom.
        self.output_path = output
        self.fields = fields
        self.campaign = campaign
        self.on_changed = on_changed
        self.manifest = manifest
        self._validate()

    def _action(self) -> str:
        return "EXPORT_LEADS"

    def _validate_options(self) -> None:
        super()._validate_options()
        if not isinstance(self.manifest, bool):
            raise InvalidParameter("manifest must be True or False; templates are not supported")
        if self.on_changed not in ("fail", "continue"):
            raise InvalidParameter(f'on_changed must be "fail" or "continue", not {self.on_changed!r}')

    def _validate_authored(self) -> None:
        super()._validate_authored()
        if isinstance(self.output_path, str) and not is_runtime_value(self.output_path):
            from airflow_provider_engagevoice.ringcx.files.row_writer import output_format

            output_format(self.output_path)

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
        from airflow_provider_engagevoice.ringcx.spec.lead_fields import ROW_FIELDS

        require_own_path(self, "output", context)
        account_id = require_rendered(self, "account_id")
        if self._has("campaign") and not selection.empty_reason:
            from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference

            found = hook.find_campaign(campaign_reference("campaign", self.campaign), account_id=account_id)
            selection, account_id = selection.narrow_to_campaign(found["campaign_id"]), found["account_id"]
        fields = require_rendered(self, "fields")
        export = LeadExport(
            selection,
            open_storage(require_rendered(self, "output_path")),
            tuple(ROW_FIELDS) if fields is None else fields,
            self.on_changed,
            self.manifest,
        )
        return dict(hook.get_conn().lead_exporter(account_id).execute(export))

    def _nothing_selected(self, reason: str, hook: EngageVoiceHook, context: Context) -> dict[str, Any]:
        if self.on_empty != "succeed":
            return super()._nothing_selected(reason, hook, context)
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection

        self.log.warning("Nothing selected: %s", reason)
        return self._run(hook, Selection({}, reason), context)
