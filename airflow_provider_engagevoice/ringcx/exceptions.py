"""What can go wrong with RingCX, one class per cause.

Messages name the thing and the fix. They never carry a token, a request body or a lead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class EngageVoiceError(Exception):
    """Root of all errors of this package.

    :param message: one sentence that names the thing and the fix.
    :param status: HTTP status of the answer, None where there was none.
    :param request: method and path of the request, without its query; None where none was sent.
    """

    #: True where the same call may succeed later, so that an Airflow retry makes sense.
    retryable = False

    def __init__(self, message: str, *, status: int | None = None, request: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request = request
        #: What had been done before, as the action's summary; None where that is not known.
        self.summary: dict[str, Any] | None = None


class AuthenticationError(EngageVoiceError):
    """The credentials, or the token made from them, were refused."""


class AccessDenied(EngageVoiceError):
    """The sign-in is valid but has no right to this account, campaign or operation (403)."""


class NotFound(EngageVoiceError):
    """RingCX knows no such path or object (404)."""


class InvalidRequest(EngageVoiceError):
    """RingCX refused the request as malformed (400 and other 4xx)."""


class UnexpectedResponse(EngageVoiceError):
    """The answer is not what RingCX's contract promises: an HTML page, broken JSON, a redirect."""


class RateLimited(EngageVoiceError):
    """Still 429 after waiting as long as the client may.

    :param retry_after: seconds RingCX asked to wait in its last answer, None where it named none.
    """

    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = 429,
        request: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, status=status, request=request)
        self.retry_after = retry_after


class ServiceUnavailable(EngageVoiceError):
    """RingCX could not be reached, or kept failing, and nothing has been changed by guesswork."""

    retryable = True


class ActionRejected(EngageVoiceError):
    """RingCX answered 200 with ``success: false``."""


class VerificationFailed(EngageVoiceError):
    """After the act some leads are not in the state that it gives; see ``verify``."""

    retryable = True


class OutcomeUnknown(EngageVoiceError):
    """A request that must not be repeated may or may not have taken effect."""


class Cancelled(EngageVoiceError):
    """The task was told to end, and did so between two requests."""

    retryable = True


class CampaignNotFound(EngageVoiceError):
    """No campaign of this name or id; the message lists the nearest names."""


class CampaignAmbiguous(EngageVoiceError):
    """Several campaigns of this name; the message lists them."""


class InvalidCriteria(EngageVoiceError, ValueError):
    """The search criteria could select something other than their author meant."""


class InvalidParameter(EngageVoiceError, ValueError):
    """A lead action, one of its parameters or an argument is missing or has a wrong value."""


class TooManyLeads(EngageVoiceError):
    """More leads match than ``max_leads`` allows; nothing was changed."""


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Name the known word nearest to an unknown one, for the end of a message.

    :param word: the unknown word.
    :param known: the words there are.
    :return: such as ``; did you mean READY?``, or nothing where none is near.
    """
    from difflib import get_close_matches

    spellings = {entry.upper(): entry for entry in known}
    near = get_close_matches(str(word).upper(), spellings, n=1, cutoff=0.6)
    return f"; did you mean {spellings[near[0]]}?" if near else ""
