"""Sensors for leads."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook, no_retry_on_permanent_errors
from airflow_provider_engagevoice.provenance import is_data, is_mapped_copy, records_arguments
from airflow_provider_engagevoice.ringcx.criteria import UNSET, is_runtime_value
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, error_place
from airflow_provider_engagevoice.sensors.campaigns import PollingSensor
from airflow_provider_engagevoice.templating import (
    PERSONAL_KEYS,
    SearchCriteriaMixin,
    require_rendered,
    unwrap,
)
from airflow_provider_engagevoice.version_compat import AirflowFailException, AirflowSkipException, conf

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.leads.lead_count import CountHistory, CountQuery
    from airflow_provider_engagevoice.ringcx.leads.selection import Selection
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["LeadCountSensor"]

_ON_EMPTY = ("skip", "fail", "succeed")
#: Key of the counts so far in Airflow's task state store.
_STATE_KEY = "engagevoice_count"


class LeadCountSensor(SearchCriteriaMixin, PollingSensor):
    """Wait until the number of leads that match is within limits, and return it.

    Each check sends one request, and one more for each 500 ids in the criteria; it fetches no lead. Failures
    are tolerated as by ``CampaignLookupSensor``. Deferred sensors that have the same connection, sub-account
    and criteria share one check per interval, however many they are. In the other modes each sensor checks
    for itself.

    Airflow stores the arguments of a trigger in its database, without a Fernet key as plain text, and older
    versions show them to everyone who can see the task. Therefore a sensor whose criteria contain personal
    data (ids, phone numbers, names, addresses or other texts of leads) is never deferred: it logs why, and
    waits in the worker in its ``mode``.

    The campaign, and with ``dialable`` its maximum of passes, are read when the wait begins; in
    ``reschedule`` mode at each check.

    The XCom is ``count, account_id`` and, with ``campaign``, ``campaign_id, campaign_name``; the operators
    accept it as their ``campaign``.

    :param search_criteria: which leads, as for ``LeadActionOperator`` (templated); optional with a campaign.
    :param at_least: succeed if at least so many leads match (templated).
    :param at_most: succeed if at most so many leads match (templated). One of both is required.
    :param dialable: count only leads of the campaign that can be dialled now: READY, not suppressed, with
        fewer passes than the campaign's ``maxPasses``, and due. READY alone includes leads that have used up
        their passes. The criteria must not have ``leadStates``, ``suppressed``, ``leadPassesCriteria`` or
        ``nextDialTimeCriteria`` then. A different maximum of a single lead does not count, because
        RingCX cannot search for it. Default False.
    :param stable_for: a timedelta or seconds, for which the condition must hold without a change of the
        number; default None, succeed at once. It begins again if the triggerer is restarted. In
        ``reschedule`` mode it needs Airflow 3.3; before, the task waits as in ``poke`` mode.
    :param campaign: name or id of a campaign, or the campaign as ``CampaignLookupSensor`` returns it, in
        addition to the criteria (templated); default None. If it renders empty, nothing is selected.
    :param account_id: sub-account (templated); default the campaign's, else the connection's, else the only
        one.
    :param on_empty: what to do if nothing is selected, because a value came out empty: ``"skip"`` (default)
        skips the task, ``"fail"`` fails it, ``"succeed"`` ends the wait at once with a count of 0, whatever
        the limits are. No request is sent.
    :param account_wide: allow criteria that name no campaign, list, lead, external id or phone number;
        default False.
    :param deferrable: wait in the triggerer; default Airflow's ``[operators] default_deferrable``.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = (
        "search_criteria",
        "at_least",
        "at_most",
        "campaign",
        "account_id",
        "engagevoice_conn_id",
    )
    template_fields_renderers: ClassVar[dict[str, str]] = {"search_criteria": "json"}
    ui_color = "#ffecd9"

    @records_arguments
    def __init__(
        self,
        *,
        search_criteria: Mapping[str, Any] | str | Any = UNSET,
        at_least: int | str | Any | None = None,
        at_most: int | str | Any | None = None,
        dialable: bool = False,
        stable_for: timedelta | float | None = None,
        campaign: str | int | Any | None = None,
        account_id: str | None = None,
        on_empty: str = "skip",
        account_wide: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._set_criteria(search_criteria)
        self.at_least = at_least
        self.at_most = at_most
        self.dialable = dialable
        self.stable_for = stable_for
        self.campaign = campaign
        self.account_id = account_id
        self.on_empty = on_empty
        self.account_wide = account_wide
        self.deferrable = deferrable
        self.engagevoice_conn_id = engagevoice_conn_id
        self._selected: Selection | None = None
        self._query: CountQuery | None = None
        self._facts: dict[str, Any] = {}
        self._history: CountHistory | None = None
        with error_place(f"{type(self).__name__}(task_id={self.task_id!r})"):
            self._validate_options()
            if not is_mapped_copy(self):
                self._validate_authored()

    def execute(self, context: Context) -> Any:
        """Wait; if deferrable, check once and defer to the triggerer.

        :param context: the task's context.
        :return: ``count, account_id`` and, with ``campaign``, ``campaign_id, campaign_name``.
        :raises AirflowSkipException: if nothing is selected and ``on_empty`` is ``"skip"``; with
            ``soft_fail`` also after the timeout.
        :raises AirflowSensorTimeout: if the number was not within the limits before the timeout.
        :raises AirflowFailException: if the error is permanent.
        """
        with no_retry_on_permanent_errors():
            self._validate_options()
            # Of an earlier call, for which other values may have been rendered.
            self._selected = self._query = self._history = None
            self._new_history()
            selection = self._selection()
            if selection.empty_reason:
                return self._nothing_selected(self._explain(selection.empty_reason))
            if self.stable_for and self.mode == "reschedule" and _state_store(context) is None:
                self.log.warning(
                    "Waiting in the worker as in mode='poke': before Airflow 3.3, a rescheduled task "
                    "cannot keep the earlier counts, which stable_for needs"
                )
                self.mode = "poke"
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Complete the task after the trigger's event.

        :param context: the task's context.
        :param event: payload of the event.
        :return: as for :meth:`execute`.
        :raises AirflowSensorTimeout: if the number was not within the limits before the timeout.
        :raises AirflowFailException: if the error is permanent.
        :raises ServiceUnavailable: after too many consecutive transient failures.
        """
        if event.get("status") == "reached":
            self._log_reached(event["result"])
            return event["result"]
        return super().execute_complete(context, event)

    def _check(self, hook: EngageVoiceHook, context: Context) -> dict[str, Any] | None:
        if self._query is None:
            self._query = self._find_leads(hook)
        count = self._query.count(hook.get_conn().leads(self._query.account_id))
        history = self._load_history(context)
        previous = history.count
        is_over = history.add(count, time.time())
        self._save_history(context, history)
        if is_over:
            result = {"count": count, "account_id": self._query.account_id, **self._facts}
            self._log_reached(result)
            return result
        self._last_reason = history.describe()
        if count != previous:
            self.log.info("%s.%s", self._last_reason, self._next_check())
        return None

    def _awaited(self) -> str:
        return f"The number of leads was not {self._new_history().condition}"

    def _find_leads(self, hook: EngageVoiceHook) -> CountQuery:
        """Look up the campaign and the sub-account."""
        from airflow_provider_engagevoice.ringcx.leads.lead_count import CountQuery
        from airflow_provider_engagevoice.ringcx.leads.moves import campaign_reference

        selection, account_id = self._selection(), require_rendered(self, "account_id")
        max_passes = None
        if self._has("campaign"):
            reference = campaign_reference("campaign", unwrap(self.campaign))
            found = hook.find_campaign(reference, account_id=account_id)
            selection, account_id = selection.narrow_to_campaign(found["campaign_id"]), found["account_id"]
            self._facts = {"campaign_id": found["campaign_id"], "campaign_name": found["campaign_name"]}
            if self.dialable:
                max_passes = hook.get_conn().campaigns.max_passes(found)
        else:
            account_id = hook.get_conn().leads(account_id).account_id
        dialable = "" if max_passes is None else f", dialable (fewer than {max_passes} passes)"
        self.log.info("Counting leads of account %s: %s%s", account_id, selection.describe(), dialable)
        return CountQuery(account_id, selection, max_passes)

    def _selection(self) -> Selection:
        """Return the selected leads; the campaign is not looked up yet."""
        from airflow_provider_engagevoice.ringcx.leads.lead_count import DIALABLE_KEYS
        from airflow_provider_engagevoice.ringcx.leads.literals import is_blank
        from airflow_provider_engagevoice.ringcx.leads.selection import Selection, build_selection

        if self._selected is None:
            if self._has("campaign") and is_blank(self.campaign):
                self._selected = Selection({}, "campaign is empty")
            else:
                self._selected = build_selection(
                    unwrap(self.search_criteria),
                    runtime_keys=self._keys_from_data(),
                    account_wide=self.account_wide or self._has("campaign"),
                )
            if self.dialable:
                self._reject_keys(DIALABLE_KEYS & self._selected.body.keys())
        return self._selected

    def _nothing_selected(self, reason: str) -> dict[str, Any]:
        if self.on_empty == "skip":
            # Airflow hides the message of the exception in a collapsed group of the log.
            self.log.warning("Nothing selected: %s. Task skipped (on_empty='skip')", reason)
            raise AirflowSkipException(f"Nothing selected: {reason}")
        if self.on_empty == "fail":
            raise AirflowFailException(f"Nothing selected: {reason}")
        self.log.warning("Nothing selected: %s", reason)
        hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
        account_id = require_rendered(self, "account_id") or hook.get_conn().account_id
        return {"count": 0, "account_id": account_id or ""}

    def _can_defer(self) -> bool:
        personal = sorted(PERSONAL_KEYS & self._selection().body.keys())
        if personal:
            self.log.warning(
                "Waiting in the worker (mode=%r), although deferrable=True: Airflow would store the trigger "
                "with the values of %s, which are personal data",
                self.mode,
                ", ".join(personal),
            )
        return not personal

    def _defer(self) -> None:
        from airflow_provider_engagevoice.triggers.leads import LeadCountTrigger

        if self._query is None:
            # The campaign could not be looked up, for a transient reason. Airflow retries the task.
            raise self._last_error  # type: ignore[misc]
        history = self._new_history()
        self._defer_to(
            LeadCountTrigger(
                criteria=self._query.selection.body,
                account_id=self._query.account_id,
                at_least=history.condition.at_least,
                at_most=history.condition.at_most,
                max_passes=self._query.max_passes,
                stable_for=history.condition.stable_for,
                first_count=history.count,
                first_counted_at=history.latest,
                facts=self._facts,
                **self._trigger_arguments(),
            )
        )

    def _new_history(self) -> CountHistory:
        """Return the counts so far; at the first call there are none."""
        from airflow_provider_engagevoice.ringcx.leads.lead_count import CountCondition, CountHistory

        if self._history is None:
            limits = require_rendered(self, "at_least"), require_rendered(self, "at_most")
            self._history = CountHistory(CountCondition.parse(*limits, self.stable_for))
        return self._history

    def _load_history(self, context: Context) -> CountHistory:
        """Return the counts so far, which a task that is rescheduled has saved in Airflow."""
        history, store = self._new_history(), _state_store(context)
        if self.stable_for and self.mode == "reschedule" and store is not None:
            saved = json.loads(store.get(_STATE_KEY) or "{}")
            # Not those of an earlier attempt: the number may have changed between the two.
            if saved.get("attempt") == context["ti"].try_number:
                history.count, history.since, history.latest = saved["history"]
        return history

    def _save_history(self, context: Context, history: CountHistory) -> None:
        store = _state_store(context)
        if self.stable_for and self.mode == "reschedule" and store is not None:
            numbers = [history.count, history.since, history.latest]
            store.set(_STATE_KEY, json.dumps({"attempt": context["ti"].try_number, "history": numbers}))

    def _validate_options(self) -> None:
        """Raise for options that are wrong, at parse time or because they were assigned later."""
        for name in ("dialable", "account_wide", "deferrable"):
            self._check_switch(name)
        if self.on_empty not in _ON_EMPTY:
            raise InvalidParameter(f"on_empty must be one of {', '.join(_ON_EMPTY)}, not {self.on_empty!r}")
        if not self._criteria_given and not self._has("campaign"):
            raise InvalidParameter("Pass search_criteria, campaign or both")
        if self.dialable and not self._has("campaign"):
            raise InvalidParameter("dialable=True needs campaign, whose maximum of passes applies")
        if not self._has("at_least") and not self._has("at_most"):
            raise InvalidParameter("Pass at_least, at_most or both")
        if self.stable_for is None and is_data(self, "stable_for"):
            raise InvalidParameter("stable_for is None, but was set; leave it out to succeed at once")

    def _validate_authored(self) -> None:
        """Raise for wrong values that are no templates."""
        from airflow_provider_engagevoice.ringcx.leads.lead_count import (
            DIALABLE_KEYS,
            CountCondition,
            parse_stable_for,
        )
        from airflow_provider_engagevoice.ringcx.leads.selection import validate_authored

        stable_for = parse_stable_for(self.stable_for)
        if stable_for and stable_for >= self.timeout:
            raise InvalidParameter(f"stable_for must be shorter than the timeout of {self.timeout:g} s")
        limits = [None if is_runtime_value(each) else each for each in (self.at_least, self.at_most)]
        if any(limit is not None for limit in limits):
            CountCondition.parse(*limits)
        with error_place("search_criteria"):
            validate_authored(self.search_criteria, account_wide=self.account_wide or self._has("campaign"))
        if self.dialable and isinstance(self.search_criteria, Mapping):
            self._reject_keys(DIALABLE_KEYS & self.search_criteria.keys())

    def _reject_keys(self, keys: Any) -> None:
        if keys:
            raise InvalidParameter(f"Leave out {', '.join(sorted(keys))}, which dialable=True sets")

    def _log_reached(self, result: Mapping[str, Any]) -> None:
        self.log.info("The wait is over: %s leads match", f"{result['count']:,}")


def _state_store(context: Context) -> Any:
    """Return Airflow's task state store; None before Airflow 3.3."""
    return context.get("task_state_store")
