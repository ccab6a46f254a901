"""Operators that act on leads."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook, no_retry_on_permanent_errors
from airflow_provider_engagevoice.ringcx.criteria import ALL_KEYS, CHUNK_SIZE, UNSET, data_keys, is_data
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.templating import (
    RedactedCriteria,
    RedactedSource,
    TypePreservingTemplatesMixin,
    bare,
    given,
    is_expanded_from_xcom,
    is_mapped_copy,
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

_ON_EMPTY = ("skip", "fail", "succeed")


class _LeadOperator(TypePreservingTemplatesMixin, BaseOperator):
    """What all operators on leads share: which leads, and the bounds of the act."""

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
        self._data_keys = data_keys(self.search_criteria)
        self._hook: EngageVoiceHook | None = None

    def _check_arguments(self) -> None:
        """Refuse what is known to be wrong when the DAG is parsed."""
        self._check_settings()
        if not is_mapped_copy(self):
            self._check_written()

    def execute(self, context: Context) -> dict[str, Any]:
        """Act on the leads.

        :param context: the task's context.
        :return: counts: ``lead_action, dry_run, leads_matched, leads_updated, leads_deleted,
            redials_deleted, dialer_refreshed, requests, account_id``, and what the operator adds.
        :raises AirflowSkipException: where nothing is selected and ``on_empty`` is ``"skip"``.
        :raises AirflowFailException: where no retry can help.
        :raises EngageVoiceError: where one may.
        """
        with no_retry_on_permanent_errors():
            from airflow_provider_engagevoice.operators.checkpoints import checkpoint_store_for

            hook = self._hook = EngageVoiceHook(given(self, "engagevoice_conn_id"))
            # Before anything is sent, so that another try knows how far this one came.
            self._journal = checkpoint_store_for(context, hook.get_conn().authenticator.store)
            self._journal.open()
            selection = self._selection()
            if selection.empty:
                return self._nothing_selected(selection.empty, hook)
            return self._act(hook, selection, context)

    def on_kill(self) -> None:
        """Let the action end between two requests. The log and the pushed summary say what was done.

        On Airflow 3. Airflow 2 itself ends the task at once, in the midst of a request that is under way.
        """
        if self._hook is not None:
            self._hook.stop()

    @abstractmethod
    def _act(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        """Act on a selection that is not empty."""

    @abstractmethod
    def _action(self) -> str:
        """Name the lead action."""

    def _check_written(self) -> None:
        """Check what can be known before templates are rendered."""
        from airflow_provider_engagevoice.ringcx.leads.selection import validate_authored

        validate_authored(self.search_criteria, account_wide=self._may_be_wide())
        if self._has("source"):
            from airflow_provider_engagevoice.ringcx.leads.id_file import check_source
            from airflow_provider_engagevoice.ringcx.leads.selection import reject_duplicate_source

            check_source(self.source_as, self.source_column)
            if isinstance(self.search_criteria, Mapping):
                reject_duplicate_source(self.search_criteria, self.source_as)

    def _check_verify(self, action: str) -> None:
        """Refuse to verify an action that cannot be verified."""
        if self.verify and not is_data(action):
            from airflow_provider_engagevoice.ringcx.bulk.options import check_verifiable
            from airflow_provider_engagevoice.ringcx.leads.action_params import find_action

            check_verifiable(find_action(action))

    def _may_be_wide(self) -> bool:
        """Tell whether the criteria alone need not narrow the selection."""
        return self.account_wide or self._has("source")

    def _has(self, name: str) -> bool:
        """Tell whether an argument was given, whatever came out of it."""
        return getattr(self, name) is not None or is_expanded_from_xcom(self, name)

    def _check_settings(self) -> None:
        from airflow_provider_engagevoice.ringcx.bulk.options import validate_options

        validate_options(self.max_leads, self.chunk_size, self.on_rejected)
        if not self._criteria_given and not self._has("source"):
            raise InvalidParameter("Give search_criteria, or source, or both")
        if self.on_empty not in _ON_EMPTY:
            raise InvalidParameter(f"on_empty must be one of {', '.join(_ON_EMPTY)}, not {self.on_empty!r}")
        for name in ("dry_run", "account_wide", "verify"):
            # Text such as "False" would count as true.
            if not isinstance(getattr(self, name), bool):
                raise InvalidParameter(f"{name} must be True or False; it takes no template")

    def _selection(self) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection, select

        data = ALL_KEYS if is_expanded_from_xcom(self, "search_criteria") else self._data_keys
        criteria, source = bare(self.search_criteria), None
        if self._has("source"):
            from airflow_provider_engagevoice.ringcx.leads.coercion import is_blank
            from airflow_provider_engagevoice.ringcx.leads.id_file import open_id_file

            path = bare(self.source)
            if is_blank(path):
                return Selection({}, "source is empty")
            source = open_id_file(storage_path(path), given(self, "source_column"), self.source_as)
        return select(criteria, data=data, account_wide=self._may_be_wide(), source=source)

    def _nothing_selected(self, why: str, hook: EngageVoiceHook) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.bulk.action import empty_result

        if self.on_empty == "skip":
            raise AirflowSkipException(f"Nothing selected: {why}")
        if self.on_empty == "fail":
            raise AirflowFailException(f"Nothing selected: {why}")
        self.log.info("Nothing selected: %s", why)
        account = given(self, "account_id") or hook.get_conn().account_id or ""
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

        act = BulkAction.of(
            self._action(),
            selection,
            params,
            dry_run=self.dry_run,
            max_leads=self.max_leads,
            chunk_size=self.chunk_size,
            target=target,
            on_rejected=self.on_rejected,
            report=given(self, "report"),
            verify=self.verify,
        )
        executor = hook.get_conn().lead_actions(account_id)
        try:
            return dict(executor.execute(act, self._journal))
        except BaseException:
            if executor.result is not None:
                context["ti"].xcom_push(key="return_value", value=dict(executor.result))
            raise

    def _do_render_template_fields(
        self, parent: Any, template_fields: Any, *args: Any, **kwargs: Any
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, *args, **kwargs)
        if parent is self:
            self.search_criteria = RedactedCriteria(bare(self.search_criteria))
            if self.source is not None:
                self.source = RedactedSource(bare(self.source))


class LeadActionOperator(_LeadOperator):
    """Do any of RingCX's 13 lead actions.

    The leads are counted first. Nothing is sent where none matches, or where more match than
    ``max_leads``; nothing is changed with ``dry_run``. Errors that no retry can mend fail the task
    without retry. Source: guide, "Lead Actions"; docs/lead-actions.md lists all actions and parameters.

    Long lists of ids are done in several requests. What was done is in the pushed result even where the task
    fails, and the next try goes on where it ended (see ``ringcx.running.BulkRunner``): on Airflow 3.3 and newer
    wherever it runs, before where it finds the host's files or the Redis server of the connection.

    :param lead_action: the action, such as ``CANCEL_LEADS`` (templated).
    :param search_criteria: which leads: a dict with RingCX's keys, a ``LeadSearchCriteria``, or the
        output of another task (templated). A value that a template left empty selects nothing.
    :param action_params: the action's ``paramMap`` (templated); default none.
    :param account_id: sub-account (templated); default the connection's, else the only one.
    :param dry_run: count the leads and change nothing; default False.
    :param max_leads: act on no more leads than this; default None, no bound.
    :param on_empty: where nothing is selected: ``"skip"`` (default), ``"fail"`` or ``"succeed"``.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone and so
        touch the whole sub-account; default False.
    :param chunk_size: most ids in one request; default 500.
    :param source: file of ids, beside the criteria or in their place (templated): a path, an object
        storage URL such as ``s3://conn@bucket/key``, or an ``ObjectStoragePath``. One id a line (``.txt`` or
        no suffix), ``.csv``, ``.jsonl``, ``.ndjson`` (each also as ``.gz``) or ``.parquet``. The first line
        of a ``.csv`` names its columns and is no id; a file without such a line must be a ``.txt``.
    :param source_column: its column (templated), as the first line of a ``.csv`` names it; default the only
        one.
    :param source_as: ``"externIds"`` (default), ``"leadIds"`` or ``"leadPhoneNumbers"``.
    :param on_rejected: where RingCX rejects a request: ``"fail"`` (default) ends there, ``"continue"`` does
        the others and fails then, ``"ignore"`` does the others. The result has ``ids_rejected`` then.
    :param report: private CSV file on the worker (templated), ``id,outcome``, of ids that were rejected or
        not found; default none. The result has ``ids_not_found`` then. Mapped tasks need a path of
        their own each, with ``{{ ti.map_index }}`` in it: of one path, the last to end replaces the others'.
    :param verify: count afterwards what is not in the state that the action gives, repeat the act for it
        where that is safe, and fail where some is left after 5 rounds; default False.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = ("lead_action", "action_params", *_LeadOperator.template_fields)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "action_params": "json",
        **_LeadOperator.template_fields_renderers,
    }

    def __init__(
        self, *, lead_action: str, action_params: Mapping[str, Any] | str | Any | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.lead_action = lead_action
        self.action_params = action_params
        self._check_arguments()

    def _action(self) -> str:
        return self.lead_action

    def _check_written(self) -> None:
        from airflow_provider_engagevoice.ringcx.leads.action_params import validate_authored_params

        super()._check_written()
        validate_authored_params(self.lead_action, self.action_params)
        self._check_verify(self.lead_action)

    def _act(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        return self._perform(hook, selection, self.action_params, given(self, "account_id"), context)


class EmailLeadsOperator(_LeadOperator):
    """Mail a link to a ZIP of the selected leads; RingCX sends the mail, and the link lives 24 hours.

    Source: guide, "Email Leads". Other arguments as for :class:`LeadActionOperator`.

    :param search_criteria: which leads (templated).
    :param email_to: an address, several separated by commas, or a list of addresses (templated).
    """

    template_fields: Sequence[str] = ("email_to", *_LeadOperator.template_fields)

    def __init__(self, *, email_to: str | Sequence[str] | Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.email_to = email_to
        self._check_arguments()

    def _action(self) -> str:
        return "EMAIL_LEADS"

    def _check_written(self) -> None:
        from airflow_provider_engagevoice.ringcx.leads.action_params import validate_authored_params

        super()._check_written()
        validate_authored_params(self._action(), {"EMAIL_TO": self.email_to})
        self._check_verify(self._action())

    def _act(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        return self._perform(hook, selection, {"EMAIL_TO": self.email_to}, given(self, "account_id"), context)


class MoveLeadsOperator(_LeadOperator):
    """Move or copy leads to another campaign of the same sub-account.

    Campaigns and lists may be named or given by id. Source: guide, "Moving Leads to Another
    Campaign". Other arguments as for :class:`LeadActionOperator`. The result has, besides the counts,
    ``campaign_id``, ``list_id`` (None where nothing was moved) and ``list_name`` of the target.

    :param search_criteria: which leads (templated).
    :param target_campaign: name or id of the campaign to move to (templated).
    :param target_list: name or id of an existing list of it (templated); default None, a new list.
    :param new_list_name: name of the new list (templated); default made of DAG, task and run.
    :param copy: False (default) moves the leads, True copies them, ``"TRANSITION"`` copies and marks.
    :param on_duplicate: ``"MOVE"`` (default) moves a lead even if the target list has it already,
        ``"IGNORE"`` leaves it where it is.
    :param source_campaign: name or id of a campaign that narrows the criteria (templated); default
        None, the criteria alone.
    """

    template_fields: Sequence[str] = (
        "target_campaign",
        "target_list",
        "new_list_name",
        "source_campaign",
        *_LeadOperator.template_fields,
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
        self._check_arguments()

    def _action(self) -> str:
        return "MOVE_TO_CAMPAIGN"

    def _check_settings(self) -> None:
        from airflow_provider_engagevoice.ringcx.spec.lead_actions import COPY_SETTINGS

        super()._check_settings()
        if self.copy not in COPY_SETTINGS or (self.copy in (0, 1) and not isinstance(self.copy, bool)):
            raise InvalidParameter('copy must be False, True or "TRANSITION"')
        if self.on_duplicate not in ("MOVE", "IGNORE"):
            raise InvalidParameter('on_duplicate must be "MOVE" or "IGNORE"')
        if self.target_list is not None and self.new_list_name is not None:
            raise InvalidParameter("Give target_list or new_list_name, not both")
        if self.verify and (self.copy is not False or self.on_duplicate != "MOVE"):
            raise InvalidParameter('verify needs copy=False and on_duplicate="MOVE": leads stay otherwise')

    def _may_be_wide(self) -> bool:
        return super()._may_be_wide() or self._has("source_campaign")

    def _selection(self) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.coercion import is_blank
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection

        if self._has("source_campaign") and is_blank(self.source_campaign):
            return Selection({}, "source_campaign is empty")
        return super()._selection()

    def _nothing_selected(self, why: str, hook: EngageVoiceHook) -> dict[str, Any]:
        return {
            **super()._nothing_selected(why, hook),
            "campaign_id": None,
            "list_id": None,
            "list_name": None,
        }

    def _act(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.leads.moves import plan_move

        plan = plan_move(
            hook.get_conn().campaigns,
            target_campaign=given(self, "target_campaign"),
            source_campaign=self.source_campaign,
            target_list=given(self, "target_list"),
            new_list_name=given(self, "new_list_name") or _list_name(context),
            account_id=given(self, "account_id"),
        )
        if plan.source is not None:
            selection = selection.narrow_to_campaign(plan.source["campaign_id"])
        params = plan.params(self.copy, self.on_duplicate)
        done = self._perform(hook, selection, params, plan.target["account_id"], context, plan.target)
        self.log.info(
            "Target: list %r (id %s) of campaign %r (id %s)",
            plan.list_name,
            done["list_id"],
            plan.target["campaign_name"],
            plan.target["campaign_id"],
        )
        return {**done, "list_name": plan.list_name}


def _list_name(context: Context) -> str:
    ti: Any = context["ti"]
    mapped = "" if ti.map_index in (None, -1) else f"[{ti.map_index}]"
    return f"{ti.dag_id}.{ti.task_id}{mapped} {ti.run_id}"
