"""Base class of the operators that act on leads: their common arguments, selection and execution."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import (
    EngageVoiceHook,
    no_retry_on_permanent_errors,
    open_source,
    skip_on_no_match,
)
from airflow_provider_engagevoice.provenance import (
    is_data,
    is_mapped_copy,
    records_arguments,
)
from airflow_provider_engagevoice.ringcx.criteria import UNSET, is_runtime_value
from airflow_provider_engagevoice.ringcx.defaults import CHUNK_SIZE
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, error_place
from airflow_provider_engagevoice.templating import (
    SearchCriteriaMixin,
    TypePreservingTemplatesMixin,
    require_rendered,
    unwrap,
)
from airflow_provider_engagevoice.version_compat import (
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.lineage import Lineage
    from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
    from airflow_provider_engagevoice.ringcx.campaigns import Campaign
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.version_compat import Context

_ON_EMPTY = ("skip", "fail", "succeed")


class RingCXOperator(TypePreservingTemplatesMixin, BaseOperator):
    """Base class of all operators: what happens to a task that ends before its work, and its lineage."""

    ui_color = "#ffd9b3"

    _hook: EngageVoiceHook | None = None
    _lineage: Lineage | None = None

    def __init__(self, **kwargs: Any) -> None:
        # If a class has no constructor, Airflow 3.3 gives its mapped tasks inlets and outlets of
        # None: it reads the defaults of BaseOperator's constructor.
        super().__init__(**kwargs)

    def on_kill(self) -> None:
        """Send no further requests. The log and the XCom show what was done.

        Those in flight are awaited and counted. An exception that Airflow raises in the task, as Airflow 2
        does to end it, has the same effect.
        """
        if self._hook is not None:
            self._hook.cancel()

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the datasets that the task has read and written, for OpenLineage.

        :param task_instance: the task instance.
        :return: an ``OperatorLineage``; None if OpenLineage's provider is not installed.
        """
        from airflow_provider_engagevoice.lineage import openlineage_facets

        return openlineage_facets(self._lineage)

    def _push_result(self, context: Context, result: Mapping[str, Any] | None) -> None:
        """Return the counts of a task that fails, which Airflow does not do."""
        if result is not None and self.do_xcom_push:
            context["ti"].xcom_push(key="return_value", value=dict(result))


class BaseLeadOperator(SearchCriteriaMixin, RingCXOperator):
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
    #: Name of the argument that narrows the criteria to one campaign.
    _campaign_argument: ClassVar[str] = "campaign"

    @records_arguments
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
        super().__init__(**kwargs)
        self._set_criteria(search_criteria)
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
        self.on_no_match = on_no_match
        self.on_invalid_id = on_invalid_id
        self.account_wide = account_wide
        self.chunk_size = chunk_size
        self.max_in_flight = max_in_flight
        self.engagevoice_conn_id = engagevoice_conn_id

    def _validate(self) -> None:
        """Raise for what is known to be wrong when the DAG is parsed.

        Airflow shows an import error without the line of the DAG file, so the message names the task.
        """
        with error_place(f"{type(self).__name__}(task_id={self.task_id!r})"):
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
            from airflow_provider_engagevoice.hooks.checkpoints import checkpoints_of

            self._validate_assigned()
            hook = self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
            # Before the first request, so that a retry knows that this attempt has started.
            self._checkpoints = checkpoints_of(context, hook.get_conn().authenticator.store)
            selection = self._selection()
            if selection.empty_reason:
                return self._nothing_selected(self._explain(selection.empty_reason), hook, context)
            return self._run(hook, selection, context)

    @abstractmethod
    def _run(self, hook: EngageVoiceHook, selection: Selection, context: Context) -> dict[str, Any]:
        """Perform the action on a selection that is not empty."""

    @abstractmethod
    def _action(self) -> str:
        """Return the name of the lead action."""

    def _validate_authored(self) -> None:
        """Raise for wrong values that are no templates."""
        from airflow_provider_engagevoice.ringcx.leads.selection import validate_authored

        with error_place("search_criteria"):
            validate_authored(self.search_criteria, account_wide=self._allows_account_wide())
        if self._has("source"):
            from airflow_provider_engagevoice.ringcx.files.id_file import validate_source_options
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
        return self.account_wide or self._has("source") or self._has(self._campaign_argument)

    def _validate_options(self) -> None:
        from airflow_provider_engagevoice.ringcx.bulk.options import validate_options

        validate_options(
            self.max_leads,
            self.chunk_size,
            self.on_rejected,
            self.on_no_match,
            self.on_invalid_id,
            self.max_in_flight,
        )
        if not self._criteria_given and not self._has("source"):
            raise InvalidParameter("Pass search_criteria, source or both")
        if self.on_empty not in _ON_EMPTY:
            raise InvalidParameter(f"on_empty must be one of {', '.join(_ON_EMPTY)}, not {self.on_empty!r}")
        for name in ("dry_run", "account_wide", "verify"):
            # A text such as "False" would be true.
            if not isinstance(getattr(self, name), bool):
                raise InvalidParameter(f"{name} must be True or False; templates are not supported")

    def _validate_assigned(self) -> None:
        """Raise for wrong options that were set after ``__init__``, or that came out empty."""
        self._validate_options()
        if self.max_leads is None and is_data(self, "max_leads"):
            raise InvalidParameter("max_leads is None, but was set; leave it out for no limit")

    def _selection(self) -> Selection:
        from airflow_provider_engagevoice.ringcx.leads.literals import is_blank
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection, build_selection

        if self._has(self._campaign_argument) and is_blank(getattr(self, self._campaign_argument)):
            return Selection({}, f"{self._campaign_argument} is empty")
        criteria, source = unwrap(self.search_criteria), None
        if self._has("source"):
            path = unwrap(self.source)
            if is_blank(path):
                return Selection({}, "source is empty")
            source = open_source(path, require_rendered(self, "source_column"), self.source_as)
        return build_selection(
            criteria,
            runtime_keys=self._keys_from_data(),
            account_wide=self._allows_account_wide(),
            source=source,
            on_invalid=self.on_invalid_id,
        )

    def _nothing_selected(self, reason: str, hook: EngageVoiceHook, context: Context) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.bulk.action import empty_result

        if self.on_empty == "skip":
            # Airflow hides the message of the exception in a collapsed group of the log.
            self.log.warning("Nothing selected: %s. Task skipped (on_empty='skip')", reason)
            raise AirflowSkipException(f"Nothing selected: {reason}")
        if self.on_empty == "fail":
            raise AirflowFailException(f"Nothing selected: {reason}")
        self.log.warning("Nothing selected: %s", reason)
        account = require_rendered(self, "account_id") or hook.get_conn().account_id or ""
        return dict(empty_result(self._action(), account, dry_run=self.dry_run))

    def _run_in_campaign(
        self, hook: EngageVoiceHook, selection: Selection, params: Any, context: Context, campaign: Any
    ) -> dict[str, Any]:
        """Perform the action on the selected leads of a campaign; None if the criteria alone select them."""
        account_id = require_rendered(self, "account_id")
        if not self._has("campaign"):
            return self._perform(hook, selection, params, account_id, context)
        from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference

        found = hook.find_campaign(campaign_reference("campaign", campaign), account_id=account_id)
        narrowed = selection.narrow_to_campaign(found["campaign_id"])
        return self._perform(hook, narrowed, params, found["account_id"], context, source=found)

    def _perform(
        self,
        hook: EngageVoiceHook,
        selection: Selection,
        params: Any,
        account_id: str | None,
        context: Context,
        target: Campaign | None = None,
        source: Campaign | None = None,
    ) -> dict[str, Any]:
        from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction

        action = BulkAction.create(
            self._action(),
            selection,
            params,
            dry_run=self.dry_run,
            max_leads=self.max_leads,
            chunk_size=self.chunk_size,
            max_in_flight=self.max_in_flight,
            target=target,
            source=source,
            on_no_match=self.on_no_match,
            on_rejected=self.on_rejected,
            report=require_rendered(self, "report"),
            verify=self.verify,
        )
        executor = hook.get_conn().lead_actions(account_id)
        try:
            with skip_on_no_match(self.on_no_match):
                result = dict(executor.execute(action, self._checkpoints.next_action()))
        except BaseException:
            self._push_result(context, executor.result)
            raise
        self._publish(context, hook.get_conn().host, action, result)
        return result

    def _publish(self, context: Context, host: str, action: BulkAction, result: Mapping[str, Any]) -> None:
        """Emit the asset events of an action that has succeeded, and keep its lineage."""
        from airflow_provider_engagevoice.assets import emit_campaign_event, warn_on_error
        from airflow_provider_engagevoice.lineage import action_lineage, path_datasets
        from airflow_provider_engagevoice.ringcx.bulk.changes import campaign_changes

        with warn_on_error("determine the changed campaigns"):
            changes = campaign_changes(action, result)
            self._lineage = action_lineage(changes, host, path_datasets(self.source))
            for campaign_id in changes.changed:
                emit_campaign_event(
                    context,
                    changes.account_id,
                    campaign_id,
                    changes.counts,
                    facts=changes.facts,
                    dry_run=changes.dry_run,
                )
