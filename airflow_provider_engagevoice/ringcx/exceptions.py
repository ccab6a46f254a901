"""Exceptions of this package.

::

    EngageVoiceError
    ├── TransientError              a retry can help
    │   ├── RateLimited             still 429 after waiting
    │   ├── ServiceUnavailable      not reachable, or failing
    │   ├── VerificationFailed      leads not in the expected state yet
    │   ├── LeadsChanged            leads changed while they were read
    │   ├── SyncInProgress          another task applies a plan to the campaign
    │   └── Cancelled               the task was asked to stop
    └── PermanentError              a retry cannot help
        ├── AuthenticationError     credentials or token rejected
        ├── CannotConnect           certificate, proxy or TLS setting
        ├── AccessDenied            403
        ├── NotFound                404
        ├── InvalidRequest          400 and other 4xx
        ├── UnexpectedResponse      not what the contract promises
        ├── ActionRejected          200 with success: false
        ├── OutcomeUnknown          may have been applied; not safe to retry
        ├── CampaignNotFound
        ├── CampaignAmbiguous
        ├── TooManyLeads            more than max_leads
        ├── NoLeadsMatched          none, and on_no_match is not "warn"
        ├── SourceRejected          rows of a load are missing or wrong; nothing was sent
        ├── LeadsExist              external ids are in the campaign, and existing is "fail"
        ├── RowsRejected            RingCX rejected rows of a load
        ├── LoadedTwice             a late request loaded the same leads again
        ├── PlanRefused             a plan of a sync is not applied
        │   ├── UnsafePlan          it exceeds a limit and is not approved
        │   ├── PlanExpired
        │   ├── PlanApplied         it was applied before
        │   ├── PlanTampered        it is not what was written, or not complete
        │   ├── PlanMismatch        it is for another account, campaign or RingCX
        │   ├── PlanVersion         another version of this package has written it
        │   └── SourceChanged       the source is not the one that was planned with
        ├── InvalidCriteria         (also ValueError)
        └── InvalidParameter        (also ValueError)

Messages never contain a token, a request body or a lead's data.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = [
    "AccessDenied",
    "ActionRejected",
    "AuthenticationError",
    "CampaignAmbiguous",
    "CampaignNotFound",
    "Cancelled",
    "CannotConnect",
    "EngageVoiceError",
    "InvalidCriteria",
    "InvalidParameter",
    "InvalidRequest",
    "LeadsChanged",
    "LeadsExist",
    "LoadedTwice",
    "NoLeadsMatched",
    "NotFound",
    "OutcomeUnknown",
    "PermanentError",
    "PlanApplied",
    "PlanExpired",
    "PlanMismatch",
    "PlanRefused",
    "PlanTampered",
    "PlanVersion",
    "RateLimited",
    "RowsRejected",
    "ServiceUnavailable",
    "SourceChanged",
    "SourceRejected",
    "SyncInProgress",
    "TooManyLeads",
    "TransientError",
    "UnexpectedResponse",
    "UnsafePlan",
    "VerificationFailed",
]


class EngageVoiceError(Exception):
    """Base class of all errors of this package.

    :param message: what is wrong, and what to do about it.
    :param status: HTTP status of the response; None if there was none.
    :param request: method and path of the request, without its query; None if none was sent.
    """

    def __init__(self, message: str, *, status: int | None = None, request: str | None = None) -> None:
        # A lone surrogate, as in some names of files, could not be written to a log.
        super().__init__(message.encode("utf-8", "backslashreplace").decode())
        self.status = status
        self.request = request
        #: Result of the bulk action so far, with the keys of ``ActionResult``; None if no bulk action had
        #: started.
        self.result: Mapping[str, Any] | None = None
        #: Operator and argument whose value is wrong: ``LeadActionOperator(task_id='cancel').source``.
        self.place = ""

    def __str__(self) -> str:
        message = super().__str__()
        return f"{self.place}: {message}" if self.place else message


class TransientError(EngageVoiceError):
    """The same call may succeed later. Airflow retries the task."""


class PermanentError(EngageVoiceError):
    """A retry cannot help, or is not safe. The operators fail the task without a retry."""


class AuthenticationError(PermanentError):
    """RingCX or RingCentral rejected the credentials, or the token made from them."""


class CannotConnect(PermanentError):
    """A certificate, a proxy or a TLS setting prevents any connection. Nothing was sent."""


class AccessDenied(PermanentError):
    """The user has no right to this account, campaign or operation (403)."""


class NotFound(PermanentError):
    """The path or object does not exist (404)."""


class InvalidRequest(PermanentError):
    """RingCX rejected the request as malformed (400 and other 4xx)."""


class UnexpectedResponse(PermanentError):
    """The response is not what RingCX's contract promises: an HTML page, broken JSON, a redirect."""


class RateLimited(TransientError):
    """RingCX still answered 429 after the longest wait, or the next free slot is too far away.

    :param retry_after: seconds to wait before another request, if known.
    """

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


class ServiceUnavailable(TransientError):
    """RingCX could not be reached or kept failing. Retry-safe requests were retried before."""


class ActionRejected(PermanentError):
    """RingCX answered a lead action with 200 and ``success: false``."""


class VerificationFailed(TransientError):
    """Some leads did not reach the expected state after the action (``verify=True``)."""


class LeadsChanged(TransientError):
    """Leads changed while they were read, so that not all of them may have been read."""


class SyncInProgress(TransientError):
    """Another task applies a plan to the same campaign."""


class OutcomeUnknown(PermanentError):
    """A request that is not safe to retry may or may not have been applied."""

    #: Airflow ended the task during the request, so that a person may not have read this error.
    interrupted = False


class Cancelled(TransientError):
    """The task was asked to stop, and stopped between two requests."""


class CampaignNotFound(PermanentError):
    """No campaign has this name or id. The message lists the nearest names."""


class CampaignAmbiguous(PermanentError):
    """Several campaigns have this name. The message lists them."""


class NoLeadsMatched(PermanentError):
    """No lead matches, and ``on_no_match`` is not ``"warn"``. Nothing was changed."""


class SourceRejected(PermanentError):
    """The rows of a load or an update are missing, fewer than expected, or wrong. Nothing was sent."""


class LeadsExist(PermanentError):
    """The campaign has external ids of a load already, and ``existing`` is ``"fail"``. Nothing was sent."""


class RowsRejected(PermanentError):
    """RingCX rejected more rows of a load or an update than ``on_rejected`` and ``max_rejected`` allow."""


class LoadedTwice(PermanentError):
    """Leads are in the campaign twice, because RingCX processed a request after it had timed out."""


class PlanRefused(PermanentError):
    """A plan of a sync is not applied. Nothing was changed, unless the message reports it."""


class UnsafePlan(PlanRefused):
    """A plan exceeds a limit and is not approved. It is written, so that it can be looked at."""


class PlanExpired(PlanRefused):
    """A plan is older than ``expires_after`` allows."""


class PlanApplied(PlanRefused):
    """A plan was applied before."""


class PlanTampered(PlanRefused):
    """A plan is missing, incomplete, or not what was written."""


class PlanMismatch(PlanRefused):
    """A plan is for another sub-account, campaign or RingCX."""


class PlanVersion(PlanRefused):
    """A plan was written by another version of this package."""


class SourceChanged(PlanRefused):
    """Too many rows of the source are not those that the plan was made with."""


class InvalidCriteria(PermanentError, ValueError):
    """The search criteria are wrong, or could select more leads than intended."""


class InvalidParameter(PermanentError, ValueError):
    """A lead action, one of its parameters or an argument is missing or wrong."""


class TooManyLeads(PermanentError):
    """More leads match than ``max_leads`` allows. Nothing was changed."""


def require_bool(**switches: object) -> None:
    """Raise if a switch is not True or False.

    A text such as ``"False"`` is true in Python, so a switch from a template or from JSON would mean its
    opposite.

    :param switches: the switches, by name.
    :raises InvalidParameter: if one of them is not a bool.
    """
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise InvalidParameter(f"{name} must be True or False, not {value!r}")


@contextmanager
def error_place(place: str) -> Iterator[None]:
    """Name the place of wrong values in the errors of this package that a ``with`` block raises.

    :param place: the operator, or an argument; nested places are joined by a dot.
    """
    try:
        yield
    except EngageVoiceError as error:
        error.place = f"{place}.{error.place}" if error.place else place
        raise


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    :param number: the number.
    :param noun: the noun in the singular, with a regular plural.
    :return: for example ``1 lead`` or ``1,038 leads``.
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def as_sentence(message: object) -> str:
    """Return a message with a full stop, unless it ends as a sentence already."""
    text = str(message)
    return text if text.endswith((".", "?", "!")) else f"{text}."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return a suggestion for an unknown word, to be appended to a message.

    :param word: the unknown word.
    :param known: the valid words.
    :return: for example ``; did you mean READY?``, or an empty text if no valid word is similar.
    """
    from difflib import get_close_matches

    spellings = {entry.upper(): entry for entry in known}
    near = get_close_matches(str(word).upper(), spellings, n=1, cutoff=0.6)
    return f"; did you mean {spellings[near[0]]}?" if near else ""


_Function = TypeVar("_Function", bound=Callable[..., Any])


def without_context(function: _Function) -> _Function:
    """Remove from this package's errors what was being handled when they were raised inside a function.

    ``raise ... from None`` only hides it: it stays in ``__context__``, and error trackers read it there. Its
    message may contain a URL with a password, or a response with a token.

    :param function: the function.
    :return: the function with the same signature.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        handled_by_caller = sys.exc_info()[1]
        try:
            return function(*args, **kwargs)
        except EngageVoiceError as error:
            if error.__suppress_context__:
                error.__context__ = handled_by_caller
            raise

    return wrapper  # type: ignore[return-value]
