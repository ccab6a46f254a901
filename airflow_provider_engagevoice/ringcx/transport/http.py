"""One HTTP session: headers, repeats, errors."""

from __future__ import annotations

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
    TransientError,
    UnexpectedResponse,
)
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit, rate_limit_for
from airflow_provider_engagevoice.ringcx.transport.responses import (
    error_from_response,
    error_message,
    parse_body,
    retry_after,
    sanitize,
)
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind, RetryDecision

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session

log = logging.getLogger(__name__)

#: This machine. Plain http is allowed to it, so no proxy may come between: it would be shown everything.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_TRIES = 5
_FIRST_PAUSE = 0.5
#: A quarter of RingCX's short window of 10 seconds.
_FIRST_PAUSE_WHEN_LIMITED = 2.5
_LONGEST_PAUSE = 30.0
#: Servers may close a connection idle for this long just as a request is sent on it.
_FRESH_FOR = 4.0


@dataclass(frozen=True, repr=False)
class ApiRequest:
    """One request to be made.

    :param method: HTTP method.
    :param url: the whole address, without query.
    :param repeatable: sending it twice does no harm.
    :param params: query.
    :param json: body to send as JSON.
    :param form: body to send as a form.
    :param basic: user name and password for Basic authentication.
    :param whose: who signs in, for the limit of sign-ins.
    :param spends: it uses something up, so that where it may have arrived a repeat is of no use.
    :param watch: is told of each try.
    """

    method: str
    url: str
    retry_safe: bool
    params: Mapping[str, Any] | None = None
    json: Any = None
    form: Mapping[str, str] | None = None
    basic: tuple[str, str] | None = None
    rate_limit_scope: str = ""
    single_use: bool = False
    observer: AttemptObserver | None = None

    def __str__(self) -> str:
        """Name method and path. The query is left out: it may carry a password."""
        path = "/" + self.url.split("://", 1)[-1].partition("/")[2]
        if "/admin/token/" in path:
            path = path.rpartition("/")[0] + "/***"
        return f"{self.method} {sanitize(path)}"


class _Failed(Exception):
    """One try brought no answer that counts.

    :param error: what to raise if there is no further try.
    :param kind: what it says of the request.
    :param pause: seconds RingCX asked to wait.
    """

    def __init__(self, error: EngageVoiceError, kind: FailureKind, pause: float | None = None) -> None:
        self.error = error
        self.kind = kind
        self.pause = pause


@dataclass
class HttpTransport:
    """Sends calls over one ``requests.Session`` with keep-alive.

    :param user_agent: the ``User-Agent``.
    :param timeout: seconds to connect, seconds to wait for an answer.
    :param patience: most seconds to spend on repeats of one call; waiting for RingCX's limits is not
        counted.
    :param limiter: lets calls go within RingCX's limits; None to find out by being refused.
    :param stop: where it is set, no further call is sent, and waiting ends.
    """

    user_agent: str
    timeout: tuple[float, float] = (10.0, 60.0)
    patience: float = 300.0
    limiter: RateLimiter | None = None
    stop: CancelToken = field(default_factory=CancelToken, repr=False)
    _session: Session | None = field(default=None, init=False, repr=False)
    _last_used: float = field(default=0.0, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def send(self, call: ApiRequest, authorize: Callable[[], Mapping[str, str]] = dict) -> Any:
        """Send a call, repeat it where that is safe, read the answer.

        What is sent again is decided by :class:`~airflow_provider_engagevoice.ringcx.transport.retry.Failure`.

        :param call: the call.
        :param authorize: gives the headers that prove who asks; asked anew for every try.
        :return: the JSON value of the answer, text, or None.
        :raises InvalidParameter: where the call cannot be written as a request.
        :raises OutcomeUnknown: where a call that must not be repeated may have taken effect.
        :raises RateLimited: still 429 after ``patience`` seconds.
        :raises Stopped: where ``stop`` was set before the call was sent, or between two tries.
        :raises ServiceUnavailable: not reached, or failing, after 5 tries.
        :raises EngageVoiceError: of the class for the answer's status; all are in ``errors``.
        """
        limit = (
            rate_limit_for(call.method, call.url, call.params, call.rate_limit_scope)
            if self.limiter
            else None
        )
        deadline = time.monotonic() + self.patience
        tries = failures = 0
        while True:
            tries += 1
            self.stop.check()
            # The token before the slot, so that signing in does not let the slot pass; and again after the
            # wait, in which it may have ended.
            authorize()
            try:
                deadline += self._wait_for(limit, call)
                return self._try(call, authorize())
            except OutcomeUnknown:
                raise
            except EngageVoiceError:
                # It never left.
                _tell_undone(call)
                raise
            except _Failed as failed:
                if not failed.kind.maybe_done:
                    _tell_undone(call)
                # What the limiter tells of refusals once a minute need not be told as loudly each time.
                level = logging.WARNING
                if failed.kind is FailureKind.RATE_LIMITED and self.limiter and limit:
                    self.limiter.refused(limit)
                    level = logging.INFO
                step = failed.kind.then(call.retry_safe)
                if step is RetryDecision.OUTCOME_UNKNOWN:
                    raise _unknown(call, failed.error) from None
                if step is RetryDecision.RAISE or (failed.kind.maybe_done and call.single_use):
                    raise failed.error from None
                pause = self._pause(failed, tries)
                failures += failed.kind is not FailureKind.RATE_LIMITED
                if time.monotonic() + pause > deadline or failures >= _TRIES:
                    raise failed.error from None
                log.log(level, "%s; trying again in %.1f s (try %d)", failed.error, pause, tries + 1)
            self.stop.sleep(pause)

    def _wait_for(self, limit: RateLimit | None, call: ApiRequest) -> float:
        """Wait until RingCX's limits allow the call; return the seconds it took."""
        if self.limiter and limit:
            return self.limiter.wait(limit, self.stop, call.observer)
        if call.observer is not None:
            call.observer.on_attempt()
        return 0.0

    def close(self) -> None:
        """Close the session's connections."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    @staticmethod
    def _pause(failed: _Failed, tries: int) -> float:
        if failed.pause is not None:
            # Not all waiters in the same instant.
            return failed.pause + random.uniform(0.0, 0.5)
        first = _FIRST_PAUSE_WHEN_LIMITED if failed.kind is FailureKind.RATE_LIMITED else _FIRST_PAUSE
        return min(first * 2.0 ** min(tries - 1, 10), _LONGEST_PAUSE) * random.uniform(0.75, 1.25)

    def _try(self, call: ApiRequest, headers: Mapping[str, str]) -> Any:
        import requests

        session = self._open(call)
        prepared = _prepare(session, call, headers)
        try:
            response = self._exchange(session, prepared)
        # ValueError: requests lets some of what it makes of an odd answer through as it is.
        except (requests.RequestException, ValueError) as error:
            # The cause is dropped, and only its class named: its text holds the address with its query.
            kind = FailureKind.NO_RESPONSE if _was_sent(error) else FailureKind.NOT_SENT
            raise _Failed(_unreachable(call, error), kind) from None
        except Exception:
            raise
        except BaseException as stop:
            # Airflow's task time-out is no Exception, and Airflow would retry the task after it.
            if FailureKind.INTERRUPTED.then(call.retry_safe) is RetryDecision.RAISE:
                raise
            raise _unknown(call, _unreachable(call, stop)) from None
        status = response.status_code
        if status == 429:
            wait = retry_after(response)
            said = error_message(response)
            text = f"RingCX's rate limit refused {call}" + (f": {said}" if said else "")
            limited = RateLimited(text, request=str(call), retry_after=wait)
            raise _Failed(limited, FailureKind.RATE_LIMITED, pause=wait)
        if status >= 400:
            refused = error_from_response(response, str(call))
            raise _Failed(
                refused,
                FailureKind.SERVER_ERROR if isinstance(refused, TransientError) else FailureKind.REJECTED,
            )
        try:
            return parse_body(response, str(call))
        except UnexpectedResponse as error:
            raise _Failed(error, FailureKind.INVALID_RESPONSE) from None

    def _exchange(self, session: Session, prepared: PreparedRequest) -> Response:
        host = urlsplit(prepared.url or "").hostname
        settings = session.merge_environment_settings(
            prepared.url, {"no_proxy": host} if host in LOOPBACK else {}, None, None, None
        )
        response = session.send(prepared, timeout=self.timeout, allow_redirects=False, **settings)
        self._last_used = time.monotonic()
        return response

    def _open(self, call: ApiRequest) -> Session:
        with self._lock:
            if self._session is None:
                import requests

                self._session = requests.Session()
                self._session.headers["User-Agent"] = self.user_agent
            elif (call.single_use or not call.retry_safe) and time.monotonic() - self._last_used > _FRESH_FOR:
                # A connection that the server drops at the wrong moment would leave the outcome unknown.
                self._session.close()
            return self._session


def _tell_undone(call: ApiRequest) -> None:
    """Tell who watches a call that this try has surely done nothing."""
    if call.observer is not None:
        # Where that fails, the error at hand says more; a next try would fail to begin.
        with suppress(EngageVoiceError):
            call.observer.on_not_applied()


def _prepare(session: Session, call: ApiRequest, headers: Mapping[str, str]) -> PreparedRequest:
    import requests

    request = requests.Request(
        call.method,
        call.url,
        params=call.params,
        json=call.json,
        data=call.form,
        headers={"Accept": "application/json", **headers},
        # A callable also keeps requests from taking credentials for this host out of ~/.netrc.
        auth=call.basic or (lambda prepared: prepared),
    )
    try:
        prepared = session.prepare_request(request)
        for value in prepared.headers.values():
            if isinstance(value, str):
                value.encode("latin-1")
    except (requests.RequestException, TypeError, ValueError) as error:
        # The cause is dropped: its text may hold a token.
        raise InvalidParameter(
            f"{call} cannot be sent ({type(error).__name__}): the connection's credentials hold a character "
            "that no header may have, such as a line break, or the body is not JSON"
        ) from None
    return prepared


def _unknown(call: ApiRequest, cause: EngageVoiceError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{cause}. The request may have taken effect and must not be sent twice; look at the leads before "
        "running it again",
        status=cause.status,
        request=str(call),
    )


def _unreachable(call: ApiRequest, error: BaseException) -> ServiceUnavailable:
    host = call.url.split("://", 1)[-1].partition("/")[0]
    return ServiceUnavailable(f"No answer from {host} to {call} ({_root(error)})", request=str(call))


def _root(error: BaseException) -> str:
    reason = _reason(error)
    return type(error if reason is None else reason).__name__


def _reason(error: BaseException) -> object:
    return getattr(error.args[0], "reason", None) if error.args else None


def _was_sent(error: Exception) -> bool:
    """Tell whether any of the request may have reached the server."""
    import requests
    import urllib3

    reason = _reason(error)
    never_connected = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    if isinstance(reason, urllib3.exceptions.ProxyError):
        # urllib3 gives this name to a connection that the proxy drops later, too.
        cause = reason.original_error
        return not (isinstance(cause, never_connected) or str(cause).startswith("Tunnel connection failed"))
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL)) or isinstance(
        reason, never_connected
    ):
        return False
    refused_certificate = isinstance(reason, urllib3.exceptions.SSLError) and any(
        isinstance(part, ssl.SSLCertVerificationError) for part in reason.args
    )
    return not refused_certificate
