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

    NOT_SENT = FailureTraits(
        ("no connection",), "It never left: surely not done.", maybe_done=False, passing=True
    )
    RATE_LIMITED = FailureTraits(
        ("429",), "RingCX turned it away for the time being: surely not done.", maybe_done=False, passing=True
    )
    NO_RESPONSE = FailureTraits(
        ("dropped", "cut off", "time-out"),
        "It was sent, or part of it, and no whole answer came: it may have been done.",
        maybe_done=True,
        passing=True,
    )
    SERVER_ERROR = FailureTraits(
        ("5xx or 408",),
        "RingCX failed somewhere on the way: it may have been done.",
        maybe_done=True,
        passing=True,
    )
    INVALID_RESPONSE = FailureTraits(
        ("web page", "broken JSON", "other JSON"),
        "It was answered with something that RingCX never promised: it may have been done, and another try "
        "would be answered alike.",
        maybe_done=True,
        passing=False,
    )
    REJECTED = FailureTraits(
        ("other 4xx", "`success: false`"),
        "RingCX refused it for what it is: not done, and another try would be refused alike. (A 401 is not "
        "counted: the token is renewed once and the request sent again.)",
        maybe_done=False,
        passing=False,
    )
    INTERRUPTED = FailureTraits(
        ("end of the task",),
        "The task came to its end while it waited, as by Airflow's time limit: it may have been done, and "
        "there is no time for another try.",
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
