"""Operators that perform lead actions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook
from airflow_provider_engagevoice.operators.base import BaseLeadOperator
from airflow_provider_engagevoice.provenance import records_arguments
from airflow_provider_engagevoice.ringcx.criteria import UNSET
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, error_place
from airflow_provider_engagevoice.templating import require_rendered

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["EmailLeadsOperator", "LeadActionOperator", "MoveLeadsOperator"]


class LeadActionOperator(BaseLeadOperator):
    """Perform any of RingCX's 13 lead actions.

    The leads are counted first. No request is sent if none matches, or if more match than ``max_leads``;
    nothing is changed with ``dry_run``. The task fails without a retry if a retry cannot help. Source: guide,
    "Lead Actions"; docs/lead-actions.md lists all actions and parameters.

    Long lists of ids are split into chunks, one request each. If the task fails, its XCom holds the counts so
    far, and a retry resumes after the chunks that are complete (see ``ringcx.bulk.runner.BulkRunner``): on
    Airflow 3.3 and newer on any worker, before on workers with access to the same files or Redis server of
    the connection.

    :param lead_action: the action, such as ``CANCEL_LEADS`` (templated).
    :param search_criteria: which leads: a dict with RingCX's keys, a ``LeadSearchCriteria``, or the
        output of another task (templated). A value that a template rendered empty selects nothing.
    :param action_params: the action's ``paramMap`` (templated); default none.
    :param campaign: name or id of a campaign, or the campaign as the sensor returns it, to select from, in
        addition to the criteria (templated); default None. The action runs in the campaign's sub-account. If
        it renders empty, nothing is selected.
    :param account_id: sub-account (templated); default the connection's, else the only one.
    :param dry_run: only count the leads; default False.
    :param max_leads: fail if more leads match; default None, no limit.
    :param on_empty: what to do if nothing is selected: ``"skip"`` (default), ``"fail"`` or ``"succeed"``.
    :param on_no_match: what to do if no lead matches the selection: ``"warn"`` (default) succeeds, with a
        warning and likely causes if there are ids, ``"fail"`` or ``"skip"``.
    :param on_invalid_id: what to do about an id or phone number that can match no lead (docs/identifiers.md):
        ``"fail"`` (default), or ``"skip"`` to leave it out, with a warning, and list it in the report.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number and so
        select from the whole sub-account; default False.
    :param chunk_size: maximum number of ids in one request; default 500.
    :param max_in_flight: most requests in flight at once, 1 to 16; default None: 8 for a retry-safe action, 1
        for any other, so that a crash leaves the outcome of one request unknown. Requests for phone numbers
        are always sent one at a time.
    :param source: file of ids, in addition to the criteria or in their place (templated): a path, an object
        storage URL such as ``s3://conn@bucket/key``, or an ``ObjectStoragePath``. One id per line (``.txt``
        or no suffix), ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``. The first
        line of a ``.csv`` is its header; a file without a header must be a ``.txt``.
    :param source_column: column of the ids (templated), as in the header of the ``.csv``; default the only
        one.
    :param source_as: ``"externIds"`` (default), ``"leadIds"`` or ``"leadPhoneNumbers"``.
    :param on_rejected: what to do if RingCX rejects a request: ``"fail"`` (default) stops there,
        ``"continue"`` sends the remaining requests and fails at the end, ``"ignore"`` sends the remaining
        requests. With the last two the result has ``ids_rejected``.
    :param report: path on the worker of a private CSV file (templated), ``id,outcome``, of ids that were
        rejected or matched no lead; default None, no report. The result then has ``ids_not_found``. Each
        mapped task needs a different path, with ``{{ ti.map_index }}`` in it; otherwise the last task to end
        replaces the reports of the others.
    :param verify: count afterwards which leads are not in the expected state, retry the action for them if it
        is retry-safe, and fail if any remain after 5 checks; default False.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = (
        "lead_action",
        "action_params",
        "campaign",
        *BaseLeadOperator.template_fields,
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "action_params": "json",
        **BaseLeadOperator.template_fields_renderers,
    }

    @records_arguments
    def __init__(
        self,
        *,
        lead_action: str,
        action_params: Mapping[str, Any] | str | Any | None = None,
        campaign: str | int | Any | None = None,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        source: str | Any | None = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        account_id: str | None = None,
        dry_run: bool = False,
        max_leads: int | None = None,
        on_empty: str = "skip",
        on_no_match: str = "warn",
        on_invalid_id: str = "fail",
        account_wide: bool = False,
        chunk_size: int = CHUNK_SIZE,
        max_in_flight: int | None = None,
        on_rejected: str = "fail",
        report: str | None = None,
        verify: bool = False,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            search_criteria=search_criteria,
            source=source,
            source_column=source_column,
            source_as=source_as,
            account_id=account_id,
            dry_run=dry_run,
            max_leads=max_leads,
            on_empty=on_empty,
            on_no_match=on_no_match,
            on_invalid_id=on_invalid_id,
            account_wide=account_wide,
            chunk_size=chunk_size,
            max_in_flight=max_in_flight,
            on_rejected=on_rejected,
            report=report,
            verify=verify,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )
        self.campaign = campaign
        self.lead_action = lead_action
        self.action_params = action_params
        self._validate()

    def _action(self) -> str:
        return self.lead_action

    def _validate_authored(self) -> None:
        from airflow_provider_engagevoice.ringcx.leads.action_params import validate_authored_params

        super()._validate_authored()
        with error_place("action_params"):
            validate_authored_params(self.lead_action, self.action_params)
        self._check_verify(self.lead_action)

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        return self._run_in_campaign(hook, selection, self.action_params, context, self.campaign)


class EmailLeadsOperator(BaseLeadOperator):
    """Make RingCX e-mail a link to a ZIP file of the selected leads. The link is valid for 24 hours.

    Source: guide, "Email Leads". Other arguments as for :class:`LeadActionOperator`.

    :param search_criteria: which leads (templated).
    :param campaign: as for :class:`LeadActionOperator`.
    :param email_to: an address, several separated by commas, or a list of addresses (templated).
    """

    template_fields: Sequence[str] = ("email_to", "campaign", *BaseLeadOperator.template_fields)

    @records_arguments
    def __init__(
        self,
        *,
        email_to: str | Sequence[str] | Any,
        campaign: str | int | Any | None = None,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        source: str | Any | None = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        account_id: str | None = None,
        dry_run: bool = False,
        max_leads: int | None = None,
        on_empty: str = "skip",
        on_no_match: str = "warn",
        on_invalid_id: str = "fail",
        account_wide: bool = False,
        chunk_size: int = CHUNK_SIZE,
        max_in_flight: int | None = None,
        on_rejected: str = "fail",
        report: str | None = None,
        verify: bool = False,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            search_criteria=search_criteria,
            source=source,
            source_column=source_column,
            source_as=source_as,
            account_id=account_id,
            dry_run=dry_run,
            max_leads=max_leads,
            on_empty=on_empty,
            on_no_match=on_no_match,
            on_invalid_id=on_invalid_id,
            account_wide=account_wide,
            chunk_size=chunk_size,
            max_in_flight=max_in_flight,
            on_rejected=on_rejected,
            report=report,
            verify=verify,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )
        self.campaign = campaign
        self.email_to = email_to
        self._validate()

    def _action(self) -> str:
        return "EMAIL_LEADS"

    def _validate_authored(self) -> None:
        from airflow_provider_engagevoice.ringcx.leads.action_params import validate_authored_params

        super()._validate_authored()
        with error_place("email_to"):
            validate_authored_params(self._action(), {"EMAIL_TO": self.email_to})
        self._check_verify(self._action())

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        return self._run_in_campaign(hook, selection, {"EMAIL_TO": self.email_to}, context, self.campaign)


class MoveLeadsOperator(BaseLeadOperator):
    """Move or copy leads to another campaign of the same sub-account.

    Campaigns and lists are identified by name or id. Source: guide, "Moving Leads to Another Campaign".
    Other arguments as for :class:`LeadActionOperator`. The result also has ``campaign_id``, ``list_id``
    (None if no lead was moved) and ``list_name`` of the target.

    :param search_criteria: which leads (templated).
    :param target_campaign: name or id of the campaign to move to (templated).
    :param target_list: name or id of an existing list of that campaign (templated); default None, a new
        list.
    :param new_list_name: name of the new list (templated); default made of DAG, task and run.
    :param copy: False (default) moves the leads, True copies them, ``"TRANSITION"`` copies them and marks the
        originals as transitioned.
    :param on_duplicate: ``"MOVE"`` (default) also moves leads that the target list already has, ``"IGNORE"``
        leaves them in place.
    :param source_campaign: name or id of a campaign to select from, in addition to the criteria (templated);
        default None.
    """

    template_fields: Sequence[str] = (
        "target_campaign",
        "target_list",
        "new_list_name",
        "source_campaign",
        *BaseLeadOperator.template_fields,
    )

    _campaign_argument: ClassVar[str] = "source_campaign"

    @records_arguments
    def __init__(
        self,
        *,
        target_campaign: str | int | Any,
        target_list: str | int | Any | None = None,
        new_list_name: str | None = None,
        copy: bool | str = False,
        on_duplicate: str = "MOVE",
        source_campaign: str | int | Any | None = None,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        source: str | Any | None = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        account_id: str | None = None,
        dry_run: bool = False,
        max_leads: int | None = None,
        on_empty: str = "skip",
        on_no_match: str = "warn",
        on_invalid_id: str = "fail",
        account_wide: bool = False,
        chunk_size: int = CHUNK_SIZE,
        max_in_flight: int | None = None,
        on_rejected: str = "fail",
        report: str | None = None,
        verify: bool = False,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            search_criteria=search_criteria,
            source=source,
            source_column=source_column,
            source_as=source_as,
            account_id=account_id,
            dry_run=dry_run,
            max_leads=max_leads,
            on_empty=on_empty,
            on_no_match=on_no_match,
            on_invalid_id=on_invalid_id,
            account_wide=account_wide,
            chunk_size=chunk_size,
            max_in_flight=max_in_flight,
            on_rejected=on_rejected,
            report=report,
            verify=verify,
            engagevoice_conn_id=engagevoice_conn_id,
            **kwargs,
        )
        self.target_campaign = target_campaign
        self.target_list = target_list
        self.new_list_name = new_list_name
        self.copy = copy
        self.on_duplicate = on_duplicate
        self.source_campaign = source_campaign
        self._validate()

    def _action(self) -> str:
        return "MOVE_TO_CAMPAIGN"

    def _validate_options(self) -> None:
        from airflow_provider_engagevoice.ringcx.spec.lead_actions import COPY_SETTINGS

        super()._validate_options()
        if self.copy not in COPY_SETTINGS or (self.copy in (0, 1) and not isinstance(self.copy, bool)):
            raise InvalidParameter('copy must be False, True or "TRANSITION"')
        if self.on_duplicate not in ("MOVE", "IGNORE"):
            raise InvalidParameter('on_duplicate must be "MOVE" or "IGNORE"')
        if self.target_list is not None and self.new_list_name is not None:
            raise InvalidParameter("Pass target_list or new_list_name, not both")
        if self.verify and (self.copy is not False or self.on_duplicate != "MOVE"):
            raise InvalidParameter(
                'verify needs copy=False and on_duplicate="MOVE": otherwise leads stay in the source'
            )

    def _nothing_selected(self, reason: str, hook: EngageVoiceHook, context: Context) -> dict[str, Any]:
        return {
            **super()._nothing_selected(reason, hook, context),
            "campaign_id": None,
            "list_id": None,
            "list_name": None,
        }

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        from airflow_provider_engagevoice.hooks.task_identity import task_label
        from airflow_provider_engagevoice.ringcx.leads.moves import plan_move

        plan = plan_move(
            hook.get_conn().campaigns,
            target_campaign=require_rendered(self, "target_campaign"),
            source_campaign=self.source_campaign,
            target_list=require_rendered(self, "target_list"),
            new_list_name=require_rendered(self, "new_list_name") or task_label(context),
            account_id=require_rendered(self, "account_id"),
        )
        if plan.source is not None:
            selection = selection.narrow_to_campaign(plan.source["campaign_id"])
        params = plan.params(self.copy, self.on_duplicate)
        result = self._perform(
            hook, selection, params, plan.target["account_id"], context, plan.target, plan.source
        )
        if result["list_id"] is not None:
            self.log.info("Target: list %r (id %s)", plan.list_name, result["list_id"])
        elif not self.dry_run:
            self.log.info("No leads to move; no list was created")
        return {**result, "list_name": plan.list_name}
