"""Sensors for campaigns."""

from __future__ import annotations

import inspect
import logging
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook, no_retry_on_permanent_errors
from airflow_provider_engagevoice.provenance import records_arguments
from airflow_provider_engagevoice.ringcx.criteria import is_runtime_value
from airflow_provider_engagevoice.ringcx.exceptions import (
    CampaignNotFound,
    EngageVoiceError,
    InvalidParameter,
    PermanentError,
    ServiceUnavailable,
    as_sentence,
    error_place,
)
from airflow_provider_engagevoice.templating import TypePreservingTemplatesMixin, require_rendered
from airflow_provider_engagevoice.version_compat import (
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.campaigns import Campaign
    from airflow_provider_engagevoice.version_compat import Context

__all__ = ["CampaignLookupSensor"]

#: Consecutive transient failures that are tolerated.
_TOLERATED_FAILURES = 5
#: The trigger ends the wait itself; Airflow's own timeout of the deferral is this much later.
_GRACE = timedelta(minutes=2)


class PollingSensor(TypePreservingTemplatesMixin, BaseSensorOperator):
    """Base class of the sensors: check RingCX until a condition holds, in the worker or in the triggerer.

    It is in this module because each module that a DAG imports costs time when the DAG is parsed.
    """

    deferrable: bool
    engagevoice_conn_id: str
    mode: str
    _failures = 0
    _last_reason = ""
    _last_error: EngageVoiceError | None = None
    _hook: EngageVoiceHook | None = None

    @abstractmethod
    def _check(self, hook: EngageVoiceHook, context: Context) -> Any:
        """Check once; return the XCom if the wait is over, else None, and set ``_last_reason``."""

    @abstractmethod
    def _defer(self) -> None:
        """Defer to the trigger."""

    @abstractmethod
    def _awaited(self) -> str:
        """Return what did not happen before the timeout, for a timeout without another reason."""

    def _can_defer(self) -> bool:
        """Return whether the task may wait in the triggerer; log the reason if not."""
        return True

    def poke(self, context: Context) -> PokeReturnValue:
        """Check once.

        :param context: the task's context.
        :return: whether the wait is over, with the XCom value.
        :raises EngageVoiceError: if the error is permanent, or after five consecutive transient failures.
        """
        if self._hook is None:
            self._hook = EngageVoiceHook(require_rendered(self, "engagevoice_conn_id"))
        try:
            result = self._check(self._hook, context)
        except EngageVoiceError as error:
            self._failures += 1
            if isinstance(error, PermanentError) or self._failures > _TOLERATED_FAILURES:
                raise
            self._last_reason, self._last_error = str(error), error
            self.log.warning("Check failed (%d in a row): %s", self._failures, error)
            return PokeReturnValue(is_done=False)
        self._failures, self._last_error = 0, None
        return PokeReturnValue(is_done=result is not None, xcom_value=result)

    def execute(self, context: Context) -> Any:
        """Wait; if deferrable, check once and defer to the triggerer.

        :param context: the task's context.
        :return: the XCom value.
        :raises AirflowSensorTimeout: if the condition did not hold before the timeout.
        :raises AirflowSkipException: the same, with ``soft_fail``.
        :raises AirflowFailException: if the error is permanent.
        """
        with no_retry_on_permanent_errors():
            if self.deferrable and self._can_defer():
                found = self.poke(context)
                if not found.is_done:
                    self._defer()
                return found.xcom_value
            try:
                # Airflow 2 warns if the decorated method is called by a subclass.
                return inspect.unwrap(BaseSensorOperator.execute)(self, context)
            except AirflowSensorTimeout:
                # Airflow's message names neither what was awaited nor the cause.
                raise AirflowSensorTimeout(self._timeout_message(self._last_reason)) from None
            except AirflowSkipException as skip:
                if skip.__cause__ is not None:
                    raise
                message = self._timeout_message(self._last_reason)
                self.log.warning("%s. Task skipped (soft_fail=True)", message)
                raise AirflowSkipException(message) from None

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Complete the task after the trigger's event.

        :param context: the task's context.
        :param event: payload of the event.
        :return: the XCom value.
        :raises AirflowSensorTimeout: if the condition did not hold before the timeout.
        :raises AirflowFailException: if the error is permanent.
        :raises ServiceUnavailable: after too many consecutive transient failures.
        """
        status = event.get("status")
        if status == "timeout":
            raise AirflowSensorTimeout(self._timeout_message(event.get("reason") or ""))
        message = event.get("message") or f"The trigger ended with {status!r}"
        # "hopeless" is the name that development versions used.
        if status in ("permanent_error", "hopeless"):
            raise AirflowFailException(message)
        raise ServiceUnavailable(message)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume after the deferral, so that ``soft_fail`` does not turn a permanent error into a skip.

        :param next_method: name of the method to resume with.
        :param next_kwargs: its arguments.
        :param context: the task's context.
        :return: the XCom value.
        """
        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException as skip:
            if isinstance(skip.__cause__, AirflowFailException):
                raise skip.__cause__ from None
            if skip.__cause__ is not None:
                self.log.warning("%s. Task skipped (soft_fail=True)", skip.__cause__)
            raise

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        interval: float = super()._get_next_poke_interval(*args, **kwargs)
        if not self._failures:
            return interval
        from airflow_provider_engagevoice.triggers.campaigns import MAX_PAUSE

        return min(interval * 2**self._failures, max(MAX_PAUSE, interval))

    def _timeout_message(self, reason: str) -> str:
        """Return the message of a timeout: first why the last check failed, which names the fix."""
        reason = reason or self._awaited()
        return f"{reason.rstrip('.')} (waited {self.timeout:g} s)"

    def _next_check(self) -> str:
        """Return when the next check is, if this is known."""
        if self.deferrable or self.exponential_backoff:
            return ""
        return f" Next check in {self.poke_interval:g} s"

    def _check_switch(self, name: str) -> None:
        if not isinstance(getattr(self, name), bool):
            raise InvalidParameter(f"{name} must be True or False; templates are not supported")

    def _trigger_arguments(self) -> dict[str, Any]:
        """Return the arguments that the triggers of all sensors have."""
        self.log.info("Deferring: checking every %g s, timeout %g s", self.poke_interval, self.timeout)
        return {
            "engagevoice_conn_id": self.engagevoice_conn_id,
            "poke_interval": self.poke_interval,
            "end_time": time.time() + self.timeout,
            "tolerated_failures": _TOLERATED_FAILURES,
            "exponential_backoff": bool(self.exponential_backoff),
            "max_wait": self.max_wait.total_seconds() if self.max_wait else None,
        }

    def _defer_to(self, trigger: Any) -> None:
        self.defer(
            trigger=trigger,
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout) + _GRACE,
        )


class CampaignLookupSensor(PollingSensor):
    """Wait until a campaign exists and return it.

    Each check sends one request per account. Up to five consecutive transient failures (RingCX unreachable
    or busy) are tolerated, with growing pauses; in ``reschedule`` mode, in which each check is a new process,
    any number of them, with a doubled pause. Permanent errors (wrong credentials, missing rights, two
    campaigns of the same name) fail the task at once and without a retry, also with ``soft_fail``, which
    skips the task only after the timeout.

    The XCom is the campaign: ``account_id, dial_group_id, dial_group_name, campaign_id, campaign_name,
    is_active``.

    :param campaign_name: exact name (templated).
    :param account_id: search this sub-account only (templated); default the connection's, else all.
    :param dial_group_name: search dial groups of this exact name only (templated); default all.
    :param active_only: wait until the campaign is also active; default False.
    :param deferrable: wait in the triggerer; default Airflow's ``[operators] default_deferrable``.
    :param engagevoice_conn_id: connection (templated); default ``engagevoice_default``.
    """

    template_fields: Sequence[str] = ("campaign_name", "account_id", "dial_group_name", "engagevoice_conn_id")
    ui_color = "#ffecd9"

    @records_arguments
    def __init__(
        self,
        *,
        campaign_name: str,
        account_id: str | None = None,
        dial_group_name: str | None = None,
        active_only: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        engagevoice_conn_id: str = "engagevoice_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_name = campaign_name
        self.account_id = account_id
        self.dial_group_name = dial_group_name
        self.active_only = active_only
        self.deferrable = deferrable
        self.engagevoice_conn_id = engagevoice_conn_id
        with error_place(f"{type(self).__name__}(task_id={self.task_id!r})"):
            self._validate()

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Complete the task after the trigger's event.

        :param context: the task's context.
        :param event: payload of the event.
        :return: the campaign.
        :raises AirflowSensorTimeout: if the campaign did not appear before the timeout.
        :raises AirflowFailException: if the error is permanent.
        :raises ServiceUnavailable: after too many consecutive transient failures.
        """
        if event.get("status") == "found":
            self._log_found(event["campaign"])
            return event["campaign"]
        return super().execute_complete(context, event)

    def _check(self, hook: EngageVoiceHook, context: Context) -> Campaign | None:
        try:
            campaign = hook.get_conn().campaigns.find(**self._query(), argument=None)
        except CampaignNotFound as error:
            level = logging.INFO if self._last_reason else logging.WARNING
            self._last_reason = str(error)
            self.log.log(level, "%s", as_sentence(error) + self._next_check())
            return None
        self._log_found(campaign)
        return campaign

    def _awaited(self) -> str:
        return f"Campaign {self.campaign_name!r} did not appear"

    def _validate(self) -> None:
        """Raise for what is known to be wrong when the DAG is parsed."""
        name = self.campaign_name
        if not is_runtime_value(name) and not (isinstance(name, str) and name.strip()):
            raise InvalidParameter("campaign_name must be a name that is not empty")
        self._check_switch("active_only")
        self._check_switch("deferrable")

    def _log_found(self, campaign: Mapping[str, Any]) -> None:
        self.log.info(
            "Found campaign %r: id %s in dial group %r of account %s",
            campaign["campaign_name"],
            campaign["campaign_id"],
            campaign["dial_group_name"],
            campaign["account_id"],
        )

    def _query(self) -> dict[str, Any]:
        name = require_rendered(self, "campaign_name")
        if not isinstance(name, str):
            raise InvalidParameter(f"campaign_name must be text, not {type(name).__name__}")
        # None from data would be false, and the sensor would find an inactive campaign.
        self._check_switch("active_only")
        return {
            "campaign": name,
            "account_id": require_rendered(self, "account_id"),
            "dial_group_name": require_rendered(self, "dial_group_name"),
            "active_only": self.active_only,
        }

    def _defer(self) -> None:
        from airflow_provider_engagevoice.triggers.campaigns import CampaignLookupTrigger

        query = self._query()
        name = query.pop("campaign")
        self._defer_to(CampaignLookupTrigger(campaign_name=name, **query, **self._trigger_arguments()))
