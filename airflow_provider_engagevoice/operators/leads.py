"""Operators that perform lead actions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook, no_retry_on_permanent_errors
from airflow_provider_engagevoice.ringcx.criteria import (
    ALL_KEYS,
    CHUNK_SIZE,
    UNSET,
    is_runtime_value,
    runtime_keys,
)
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.templating import (
    RedactedCriteria,
    RedactedSource,
    TypePreservingTemplatesMixin,
    is_expanded_from_xcom,
    is_mapped_copy,
    require_rendered,
    unwrap,
)
from airflow_provider_engagevoice.version_compat import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    storage_path,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.campaigns import Campaign
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["EmailLeadsOperator", "LeadActionOperator", "MoveLeadsOperator"]

_ON_EMPTY = ("skip", "fail", "succeed")


class _BaseLeadOperator(TypePreservingTemplatesMixin, BaseOperator):
    """Base class: which leads, and the options of the action."""

    template_fields: Sequence[str] = (
        "search_criteria",
        "source",
        "source_column",
        "report",
        "account_id",
        "engagevoice_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"search_criteria": "json"}
    ui_color = "#ffd9b3"

    def __init__(
        self,
        *,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        source: str | Any | None = None,
        source_column: str | None = None,
        source_as: str = "externIds",
        account_id: str | None = None,
        dry_run: bool = False,
        max_leads: int | None = None,
        on_empty: str = "skip",
        account_wide: bool = False,
        chunk_size: int = CHUNK_SIZE,
        on_rejected: str = "fail",
        report: str | None = None,
        verify: bool = False,
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.search_criteria = {} if search_criteria is UNSET else search_criteria
        self.source = source
        self.source_column = source_column
        self.source_as = source_as
        self.on_rejected = on_rejected
        self.report = report
        self.verify = verify
        self.account_id = account_id
        self.dry_run = dry_run
        self.max_leads = max_leads
        self.on_empty = on_empty
        self.account_wide = account_wide
        self.chunk_size = chunk_size
        self.engagevoice_conn_id = engagevoice_conn_id
        self._criteria_given = search_criteria is not UNSET
        self._runtime_keys = runtime_keys(self.search_criteria)
        self._hook: EngageVoiceHook | None = None

    def _validate(self) -> None:
        """Raise for what is known to be wrong when the DAG is parsed."""
        self._validate_options()
        if not is_mapped_copy(self):
            self._validate_authored()

    def execute(self, context: Context) -> dict[str, Any]:
        """Perform the action.

        :param context: the task's context.
        :return: counts: ``lead_action, dry_run, leads_matched, leads_updated, leads_deleted,
            redials_deleted, dialer_refreshed, requests, account_id``, and what the operator adds.
        :raises AirflowSkipException: if nothing is selected and ``on_empty`` is ``"skip"``.
        :raises AirflowFailException: if a retry cannot help.
        :raises EngageVoiceError: if a retry can help.
        """
        with no_retry_on_permanent_errors():
            from airflow_provider_engagevoice.operators.checkpoints import checkpoint_store_for

            hook = self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
            # Before the first request, so that a retry knows that this attempt has started.
            self._checkpoints = checkpoint_store_for(context, hook.get_conn().authenticator.store)
            self._checkpoints.mark_started()
            selection = self._selection()
            if selection.empty_reason:
                return self._nothing_selected(selection.empty_reason, hook)
            return self._run(hook, selection, context)

    def on_kill(self) -> None:
        """Stop the action between two requests. The log and the XCom say what was done.

        On Airflow 2 this has no effect: Airflow itself ends the task at once, even during a request.
        """
        if self._hook is not None:
            self._hook.cancel()

    @abstractmethod
    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        """Perform the action on a selection that is not empty."""

    @abstractmethod
    def _action(self) -> str:
        """Return the name of the lead action."""

    def _validate_authored(self) -> None:
        """Raise for wrong values that are no templates."""
        from airflow_provider_engagevoice.ringcx.leads.selection import validate_authored

        validate_authored(self.search_criteria, account_wide=self._allows_account_wide())
        if self._has("source"):
            from airflow_provider_engagevoice.ringcx.leads.id_file import validate_source_options
            from airflow_provider_engagevoice.ringcx.leads.selection import reject_duplicate_source

            validate_source_options(self.source_as, self.source_column)
            if isinstance(self.search_criteria, Mapping):
                reject_duplicate_source(self.search_criteria, self.source_as)

    def _check_verify(self, action: str) -> None:
        """Raise if the action cannot be verified."""
        if self.verify and not is_runtime_value(action):
            from airflow_provider_engagevoice.ringcx.bulk.options import check_verifiable
            from airflow_provider_engagevoice.ringcx.leads.action_params import find_action

            check_verifiable(find_action(action))

    def _allows_account_wide(self) -> bool:
        """Return whether criteria without a campaign, list or id are allowed."""
        return self.account_wide or self._has("source")

    def _has(self, name: str) -> bool:
        """Return whether an argument was given, whatever its rendered value."""
        return getattr(self, name) is not None or is_expanded_from_xcom(self, name)

    def _validate_options(self) -> None:
        from airflow_provider_engagevoice.ringcx.bulk.options import validate_options

        validate_options(self.max_leads, self.chunk_size, self.on_rejected)
        if not self._criteria_given and not self._has("source"):
            raise InvalidParameter("Pass search_criteria, source or both")
        if self.on_empty not in _ON_EMPTY:
            raise InvalidParameter(f"on_empty must be one of {', '.join(_ON_EMPTY)}, not {self.on_empty!r}")
        for name in ("dry_run", "account_wide", "verify"):
            # A text such as "False" would be true.
            if not isinstance(getattr(self, name), bool):
                raise InvalidParameter(f"{name} must be True or False; templates are not supported")

    def _selection(self) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection, build_selection

        data = ALL_KEYS if is_expanded_from_xcom(self, "search_criteria") else self._runtime_keys
        criteria, source = unwrap(self.search_criteria), None
        if self._has("source"):
            from airflow_provider_engagevoice.ringcx.leads.coercion import is_blank
            from airflow_provider_engagevoice.ringcx.leads.id_file import open_id_file

            path = unwrap(self.source)
            if is_blank(path):
                return Selection({}, "source is empty")
            source = open_id_file(storage_path(path), require_rendered(self, "source_column"), self.source_as)
        return build_selection(
            criteria, runtime_keys=data, account_wide=self._allows_account_wide(), source=source
        )

    def _nothing_selected(self, reason: str, hook: EngageVoiceHook) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.bulk.action import empty_result

        if self.on_empty == "skip":
            raise AirflowSkipException(f"Nothing selected: {reason}")
        if self.on_empty == "fail":
            raise AirflowFailException(f"Nothing selected: {reason}")
        self.log.info("Nothing selected: %s", reason)
        account = require_rendered(self, "account_id") or hook.get_conn().account_id or ""
        return dict(empty_result(self._action(), account, dry_run=self.dry_run))

    def _perform(
        self,
        hook: EngageVoiceHook,
        selection: Selection,
        params: Any,
        account_id: str | None,
        context: Context,
        target: Campaign | None = None,
    ) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction

        action = BulkAction.create(
            self._action(),
            selection,
            params,
            dry_run=self.dry_run,
            max_leads=self.max_leads,
            chunk_size=self.chunk_size,
            target=target,
            on_rejected=self.on_rejected,
            report=require_rendered(self, "report"),
            verify=self.verify,
        )
        executor = hook.get_conn().lead_actions(account_id)
        try:
            return dict(executor.execute(action, self._checkpoints))
        except BaseException:
            if executor.result is not None:
                context["ti"].xcom_push(key="return_value", value=dict(executor.result))
            raise

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, *args: Any, **kwargs: Any
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        if parent is self:
            self.search_criteria = RedactedCriteria(unwrap(self.search_criteria))
            if self.source is not None:
                self.source = RedactedSource(unwrap(self.source))


class LeadActionOperator(_BaseLeadOperator):
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
    :param account_id: sub-account (templated); default the connection's, else the only one.
    :param dry_run: only count the leads; default False.
    :param max_leads: fail if more leads match; default None, no limit.
    :param on_empty: what to do if nothing is selected: ``"skip"`` (default), ``"fail"`` or ``"succeed"``.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number and so
        select from the whole sub-account; default False.
    :param chunk_size: maximum number of ids in one request; default 500.
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

    template_fields: Sequence[str] = ("lead_action", "action_params", *_BaseLeadOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "action_params": "json",
        **_BaseLeadOperator.template_fields_renderers,
    }

    def __init__(
        self, *, lead_action: str, action_params: Mapping[str, Any] | str | Any | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lead_action = lead_action
        self.action_params = action_params
        self._validate()

    def _action(self) -> str:
        return self.lead_action

    def _validate_authored(self) -> None:
        from airflow_provider_engagevoice.ringcx.leads.action_params import validate_authored_params

        super()._validate_authored()
        validate_authored_params(self.lead_action, self.action_params)
        self._check_verify(self.lead_action)

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        return self._perform(
            hook, selection, self.action_params, require_rendered(self, "account_id"), context
        )


class EmailLeadsOperator(_BaseLeadOperator):
    """Make RingCX e-mail a link to a ZIP file of the selected leads. The link is valid for 24 hours.

    Source: guide, "Email Leads". Other arguments as for :class:`LeadActionOperator`.

    :param search_criteria: which leads (templated).
    :param email_to: an address, several separated by commas, or a list of addresses (templated).
    """

    template_fields: Sequence[str] = ("email_to", *_BaseLeadOperator.template_fields)

    def __init__(self, *, email_to: str | Sequence[str] | Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.email_to = email_to
        self._validate()

    def _action(self) -> str:
        return "EMAIL_LEADS"

    def _validate_authored(self) -> None:
        from airflow_provider_engagevoice.ringcx.leads.action_params import validate_authored_params

        super()._validate_authored()
        validate_authored_params(self._action(), {"EMAIL_TO": self.email_to})
        self._check_verify(self._action())

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        return self._perform(
            hook, selection, {"EMAIL_TO": self.email_to}, require_rendered(self, "account_id"), context
        )


class MoveLeadsOperator(_BaseLeadOperator):
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
        *_BaseLeadOperator.template_fields,
    )

    def __init__(
        self,
        *,
        target_campaign: str | int | Any,
        target_list: str | int | Any | None = None,
        new_list_name: str | None = None,
        copy: bool | str = False,
        on_duplicate: str = "MOVE",
        source_campaign: str | int | Any | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
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

    def _allows_account_wide(self) -> bool:
        return super()._allows_account_wide() or self._has("source_campaign")

    def _selection(self) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.coercion import is_blank
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection

        if self._has("source_campaign") and is_blank(self.source_campaign):
            return Selection({}, "source_campaign is empty")
        return super()._selection()

    def _nothing_selected(self, reason: str, hook: EngageVoiceHook) -> dict[str, Any]:
        return {
            **super()._nothing_selected(reason, hook),
            "campaign_id": None,
            "list_id": None,
            "list_name": None,
        }

    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.leads.moves import plan_move

        plan = plan_move(
            hook.get_conn().campaigns,
            target_campaign=require_rendered(self, "target_campaign"),
            source_campaign=self.source_campaign,
            target_list=require_rendered(self, "target_list"),
            new_list_name=require_rendered(self, "new_list_name") or _list_name(context),
            account_id=require_rendered(self, "account_id"),
        )
        if plan.source is not None:
            selection = selection.narrow_to_campaign(plan.source["campaign_id"])
        params = plan.params(self.copy, self.on_duplicate)
        result = self._perform(hook, selection, params, plan.target["account_id"], context, plan.target)
        self.log.info(
            "Target: list %r (id %s) of campaign %r (id %s)",
            plan.list_name,
            result["list_id"],
            plan.target["campaign_name"],
            plan.target["campaign_id"],
        )
        return {**result, "list_name": plan.list_name}


def _list_name(context: Context) -> str:
    ti: Any = context["ti"]
    map_index = "" if ti.map_index in (None, -1) else f"[{ti.map_index}]"
    return f"{ti.dag_id}.{ti.task_id}{map_index} {ti.run_id}"
