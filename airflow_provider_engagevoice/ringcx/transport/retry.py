"""Retry policy: classifies failures and decides between retry, error and unknown outcome."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class FailureTraits:
    """Properties of a kind of failure.

    :param examples: how the failure appears.
    :param description: what it implies for the request.
    :param maybe_applied: the request may have been applied.
    :param is_transient: a retry may succeed.
    """

    examples: tuple[str, ...]
    description: str
    maybe_applied: bool
    is_transient: bool


class FailureKind(Enum):
    """The ways in which a request can fail, by what they imply for it."""

    NOT_SENT = FailureTraits(
        ("no connection",), "Not sent: not applied.", maybe_applied=False, is_transient=True
    )
    RATE_LIMITED = FailureTraits(
        ("429",), "Rate limited: not applied.", maybe_applied=False, is_transient=True
    )
    NO_RESPONSE = FailureTraits(
        ("dropped", "cut off", "time-out"),
        "Sent, at least in part, without a complete response: may have been applied.",
        maybe_applied=True,
        is_transient=True,
    )
    SERVER_ERROR = FailureTraits(
        ("5xx or 408",),
        "Failed inside RingCX: may have been applied.",
        maybe_applied=True,
        is_transient=True,
    )
    INVALID_RESPONSE = FailureTraits(
        ("web page", "broken JSON", "other JSON"),
        "The response is not what the contract promises: may have been applied, and a retry would get the "
        "same response.",
        maybe_applied=True,
        is_transient=False,
    )
    REJECTED = FailureTraits(
        ("other 4xx", "`success: false`"),
        "Rejected by RingCX: not applied, and a retry would be rejected, too. (Except 401: the token is "
        "refreshed and the request retried once.)",
        maybe_applied=False,
        is_transient=False,
    )
    INTERRUPTED = FailureTraits(
        ("end of the task",),
        "The task ended while it waited for the response, for example by Airflow's time limit: may have been "
        "applied, and no time is left for a retry.",
        maybe_applied=True,
        is_transient=False,
    )

    @property
    def maybe_applied(self) -> bool:
        """Whether the request may have been applied."""
        return self.value.maybe_applied

    def decide(self, retry_safe: bool) -> RetryDecision:
        """Decide what follows the failure.

        :param retry_safe: whether the request can be applied more than once without additional effect.
        :return: the decision.
        """
        if self.value.maybe_applied and not retry_safe:
            return RetryDecision.OUTCOME_UNKNOWN
        return RetryDecision.RETRY if self.value.is_transient else RetryDecision.RAISE


class RetryDecision(Enum):
    """Reaction to a failure."""

    RETRY = "Send the request again, as long as the retry limits allow."
    RAISE = "Raise the error of the failure."
    OUTCOME_UNKNOWN = "Raise OutcomeUnknown, unless the outcome can be reconciled."
