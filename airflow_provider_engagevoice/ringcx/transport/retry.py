"""What is known of a request that failed, and what follows from it: the one rule of repeats."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class FailureTraits:
    """What a failure says of its request.

    :param ways: how it shows.
    :param help: what is known of the request then.
    :param maybe_done: the request may have taken effect.
    :param passing: another try may go better.
    """

    ways: tuple[str, ...]
    help: str
    maybe_done: bool
    passing: bool


class FailureKind(Enum):
    """The ways in which a request can fail, by what they say of it."""

    NOT_SENT = FailureTraits(("no connection",), "Not sent: not applied.", maybe_done=False, passing=True)
    RATE_LIMITED = FailureTraits(("429",), "Rate limited: not applied.", maybe_done=False, passing=True)
    NO_RESPONSE = FailureTraits(
        ("dropped", "cut off", "time-out"),
        "Sent completely or in part, without a complete response: may have been applied.",
        maybe_done=True,
        passing=True,
    )
    SERVER_ERROR = FailureTraits(
        ("5xx or 408",),
        "Server error: may have been applied.",
        maybe_done=True,
        passing=True,
    )
    INVALID_RESPONSE = FailureTraits(
        ("web page", "broken JSON", "other JSON"),
        "The response is not what RingCX documents: may have been applied. The next response would be the "
        "same.",
        maybe_done=True,
        passing=False,
    )
    REJECTED = FailureTraits(
        ("other 4xx", "`success: false`"),
        "Rejected by RingCX: not applied. The next attempt would be rejected as well.",
        maybe_done=False,
        passing=False,
    )
    INTERRUPTED = FailureTraits(
        ("end of the task",),
        "The task ended while the request was in flight, for example by a timeout of Airflow: may have been "
        "applied. No time is left for another attempt.",
        maybe_done=True,
        passing=False,
    )

    @property
    def maybe_done(self) -> bool:
        """The request may have taken effect."""
        return self.value.maybe_done

    def then(self, retry_safe: bool) -> RetryDecision:
        """Decide what follows.

        :param repeatable: the request may be done twice.
        :return: the next step.
        """
        if self.value.maybe_done and not retry_safe:
            return RetryDecision.OUTCOME_UNKNOWN
        return RetryDecision.RETRY if self.value.passing else RetryDecision.RAISE


class RetryDecision(Enum):
    """What follows a failure."""

    RETRY = "It is sent again, for as long as the client may."
    RAISE = "It fails with the error that says what happened."
    OUTCOME_UNKNOWN = "It fails with OutcomeUnknown, unless it can be looked up what it did."
