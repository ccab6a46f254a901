"""The request of a lead action: sends it and reads RingCX's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult
from airflow_provider_engagevoice.ringcx.bulk.options import is_count
from airflow_provider_engagevoice.ringcx.endpoints import RequestStepsFn, account_path
from airflow_provider_engagevoice.ringcx.exceptions import (
    ActionRejected,
    EngageVoiceError,
    OutcomeUnknown,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.spec.lead_actions import Action
from airflow_provider_engagevoice.ringcx.steps import Steps
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind, RetryDecision
from airflow_provider_engagevoice.ringcx.transport.sanitize import sanitize


@dataclass(frozen=True)
class ActionSender:
    """Sends the requests of one action and adds up their results.

    :param request_steps: sends a request: method, path and keyword arguments.
    :param account_id: the sub-account.
    :param spec: the action.
    :param result: the result to add to.
    """

    request_steps: RequestStepsFn
    account_id: str
    spec: Action
    result: ActionResult

    def send(
        self, chunk: Selection, params: Mapping[str, Any], observer: AttemptObserver | None = None
    ) -> Steps[None]:
        """Send one request and add its counts to the result.

        :param chunk: the leads.
        :param params: the ``paramMap``.
        :param observer: notified of each attempt.
        :raises ActionRejected: if RingCX responds with ``success: false``.
        :raises OutcomeUnknown: if the action is not retry-safe and may have been applied.
        """
        attempts = _AttemptCounter(observer)
        try:
            response = yield from self.request_steps(
                "PUT",
                f"{account_path(self.account_id)}/campaignLeads/actions",
                params={"leadAction": self.spec.name},
                json={"campaignLeadSearchCriteria": chunk.body, "leadActionParams": {"paramMap": params}},
                retry_safe=self.spec.is_retry_safe(params),
                observer=attempts,
            )
        finally:
            # Not earlier: the checkpoint of a request in flight must not count it yet.
            self.result["requests"] += attempts.may_be_applied
        if response is False or (isinstance(response, dict) and response.get("success") is False):
            reason = response.get("errorMessage") if isinstance(response, dict) else None
            raise ActionRejected(
                f"RingCX rejected {self.spec.name}: {sanitize(str(reason or 'it gave no reason'))}",
                status=200,
            )
        if not isinstance(response, dict) or response.get("success") is not True:
            raise _unconfirmed(self.spec, params)
        self.result["leads_updated"] += _read_count(response, "leadUpdateCount")
        self.result["leads_deleted"] += _read_count(response, "leadDeleteCount")
        self.result["redials_deleted"] += _read_count(response, "redialDeleteCount")
        self.result["dialer_refreshed"] |= response.get("dialerRefreshed") is True


@dataclass
class _AttemptCounter:
    """Records whether a request may have been applied.

    :param observer: notified of the same attempts.
    """

    observer: AttemptObserver | None
    may_be_applied: bool = False
    _previous: bool = False

    def on_attempt(self) -> None:
        if self.observer is not None:
            self.observer.on_attempt()
        self._previous, self.may_be_applied = self.may_be_applied, True

    def on_not_applied(self) -> None:
        # An earlier attempt may still have been applied.
        self.may_be_applied = self._previous
        if self.observer is not None:
            self.observer.on_not_applied()


def _unconfirmed(spec: Action, params: Mapping[str, Any]) -> EngageVoiceError:
    message = f"RingCX's response to {spec.name} is not a result"
    if FailureKind.INVALID_RESPONSE.decide(spec.is_retry_safe(params)) is RetryDecision.RAISE:
        return UnexpectedResponse(message, status=200)
    return OutcomeUnknown(
        f"{message}. The request may have been applied and is not safe to retry. Check the leads before "
        "running the task again",
        status=200,
    )


def _read_count(response: Mapping[str, Any], key: str) -> int:
    value = response.get(key)
    return value if isinstance(value, int) and is_count(value) else 0
