"""HTTP transport: session handling, retries and error mapping."""

from __future__ import annotations

import logging
import os
import random
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken, ForkSafeLock
from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    OutcomeUnknown,
    RateLimited,
    ServiceUnavailable,
    TransientError,
    UnexpectedResponse,
    without_context,
)
from airflow_provider_engagevoice.ringcx.observers import AttemptObserver
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit, rate_limit_for
from airflow_provider_engagevoice.ringcx.steps import Call, Sleep, Steps, run
from airflow_provider_engagevoice.ringcx.transport.connect_errors import check_ca_bundle, permanent_error
from airflow_provider_engagevoice.ringcx.transport.exchange import (
    MAX_BODY,
    BodyTooLarge,
    Exchange,
    Response,
    current,
    open_session,
    read_response,
)
from airflow_provider_engagevoice.ringcx.transport.responses import (
    error_from_response,
    error_message,
    parse_body,
    retry_after,
)
from airflow_provider_engagevoice.ringcx.transport.retry import FailureKind, RetryDecision
from airflow_provider_engagevoice.ringcx.transport.sanitize import sanitize_path

if TYPE_CHECKING:
    from requests import PreparedRequest, Session

log = logging.getLogger(__name__)

#: Names of this machine. Plain http to it is allowed, so no proxy may be used: it would see the credentials.
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

_MAX_ATTEMPTS = 5
_INITIAL_BACKOFF = 0.5
#: A quarter of RingCX's short window of 10 seconds.
_INITIAL_RATE_LIMIT_BACKOFF = 2.5
_MAX_BACKOFF = 30.0
#: Matches a lone surrogate in JSON as its group; escaped backslashes and pairs match without a group.
_LONE_SURROGATE = re.compile(rb"\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}|(\\ud[89a-f][0-9a-f]{2})")
#: Seconds after which a server may close an idle connection while the next request is being sent on it.
_MAX_IDLE = 4.0


@dataclass(frozen=True, repr=False)
class ApiRequest:
    """A request to the API.

    :param method: HTTP method.
    :param url: the whole URL, without query.
    :param retry_safe: can be applied more than once without additional effect.
    :param params: query.
    :param json: body to send as JSON.
    :param form: body to send as a form.
    :param basic: user name and password for Basic authentication.
    :param rate_limit_scope: identifies the app that signs in, for the limit of sign-ins.
    :param single_use: consumes a one-time credential; not retried once it may have been delivered.
    :param observer: notified of each attempt.
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
        """Return method and path, without the query, which may contain a password."""
        return f"{self.method} {sanitize_path('/' + self.url.split('://', 1)[-1].partition('/')[2])}"

    @property
    def is_abortable(self) -> bool:
        """Whether the wait for the response can be ended: the request is retry-safe and not recorded."""
        return self.retry_safe and not self.single_use and self.observer is None


class _AttemptFailed(Exception):
    """An attempt failed.

    :param error: what to raise if the request is not retried.
    :param kind: the kind of failure.
    :param delay: seconds that RingCX asked to wait; None if it did not.
    """

    def __init__(self, error: EngageVoiceError, kind: FailureKind, delay: float | None = None) -> None:
        self.error = error
        self.kind = kind
        self.delay = delay


@dataclass
class HttpTransport:
    """Sends requests over one ``requests.Session`` with keep-alive.

    :param user_agent: the ``User-Agent``.
    :param timeout: connect timeout, and timeout of the whole response, in seconds.
    :param retry_timeout: seconds after which no further retry of a request is started, not counting waits for
        rate-limit slots; 0 for no retries.
    :param limiter: delays requests to keep RingCX's limits; None to rely on 429 responses.
    :param cancel_token: once cancelled, no further request is sent, and waits end, also the wait for the
        response of a request that only reads.
    """

    user_agent: str
    timeout: tuple[float, float] = (10.0, 60.0)
    retry_timeout: float = 300.0
    limiter: RateLimiter | None = None
    cancel_token: CancelToken = field(default_factory=CancelToken, repr=False)
    _session: Session | None = field(default=None, init=False, repr=False)
    _last_used: float = field(default=0.0, init=False, repr=False)
    _process_id: int = field(default=0, init=False, repr=False)
    _lock: ForkSafeLock = field(default_factory=ForkSafeLock, init=False, repr=False)

    @without_context
    def send(self, request: ApiRequest, authorize: Callable[[], Mapping[str, str]] = dict) -> Any:
        """Send a request, retry it if that is safe, and parse the response.

        :class:`~airflow_provider_engagevoice.ringcx.transport.retry.FailureKind` decides what is retried.

        :param request: the request.
        :param authorize: returns the authentication headers; called for each attempt.
        :return: the JSON value of the response, text, or None.
        :raises InvalidParameter: if the request cannot be encoded.
        :raises CannotConnect: if a certificate, a proxy or the environment prevents any connection.
        :raises OutcomeUnknown: if a request that is not safe to retry may have been applied.
        :raises RateLimited: if RingCX still responds with 429 after ``retry_timeout`` seconds.
        :raises Cancelled: if ``cancel_token`` was cancelled before the request was sent, or between attempts.
        :raises ServiceUnavailable: if no connection or only server errors were obtained in 5 attempts.
        :raises EngageVoiceError: the class for the status of the response; see ``exceptions``.
        """
        return run(self.send_steps(request, authorize), self.cancel_token.sleep)

    def send_steps(
        self, request: ApiRequest, authorize: Callable[[], Mapping[str, str]] = dict
    ) -> Steps[Any]:
        """Send a request like :meth:`send`, as steps; each attempt is a call."""
        limit = (
            rate_limit_for(request.method, request.url, request.params, request.rate_limit_scope)
            if self.limiter
            else None
        )
        deadline = clock.monotonic() + self.retry_timeout
        attempts = failures = 0
        while True:
            attempts += 1
            self.cancel_token.raise_if_cancelled()
            # Before the slot is reserved, so that a sign-in does not delay the request past its slot; and
            # again after the wait, during which the token may have expired.
            authorize()
            try:
                deadline += yield from self._wait_for_slot(limit, request)
                headers = authorize()
                try:
                    return (yield Call(partial(self._attempt, request, headers), request.is_abortable))
                except (Exception, GeneratorExit):
                    raise
                except BaseException as interrupt:
                    raise _interrupted(request, interrupt) from None
            except OutcomeUnknown:
                raise
            except EngageVoiceError:
                # Raised before the request was sent.
                _notify_not_applied(request)
                raise
            except _AttemptFailed as failed:
                self._raise_unless_retryable(request, limit, failed)
                delay = _retry_delay(failed, attempts)
                failures += failed.kind is not FailureKind.RATE_LIMITED
                if clock.monotonic() + delay > deadline or failures >= _MAX_ATTEMPTS:
                    raise failed.error from None
                # The limiter logs a warning for rejections; without it, each one is a warning.
                is_logged = failed.kind is FailureKind.RATE_LIMITED and limit is not None
                log.log(
                    logging.INFO if is_logged else logging.WARNING,
                    "%s; retrying in %.1f s (attempt %d)",
                    failed.error,
                    delay,
                    attempts + 1,
                )
            yield Sleep(delay)

    def limit_waits(self, seconds: float) -> None:
        """Send each request once from now on, and end each of its waits after some seconds.

        :param seconds: longest wait for a connection, for a response, and for a rate-limit slot.
        """
        self.retry_timeout = 0.0
        self.timeout = (min(self.timeout[0], seconds), min(self.timeout[1], seconds))
        if self.limiter is not None:
            self.limiter.timeout = min(self.limiter.timeout, seconds)

    def close(self) -> None:
        """Close the session's connections."""
        with self._lock.held():
            if self._session is not None:
                self._session.close()
                self._session = None

    def _wait_for_slot(self, limit: RateLimit | None, request: ApiRequest) -> Steps[float]:
        """Wait for a rate-limit slot; return the seconds waited."""
        if self.limiter and limit:
            return (yield from self.limiter.acquire_steps(limit, request.observer))
        if request.observer is not None:
            request.observer.on_attempt()
        return 0.0

    def _raise_unless_retryable(
        self, request: ApiRequest, limit: RateLimit | None, failed: _AttemptFailed
    ) -> None:
        """Report a failed attempt to the observer and the limiter.

        :raises EngageVoiceError: if the request must not be retried.
        """
        if not failed.kind.maybe_applied:
            _notify_not_applied(request)
        if failed.kind is FailureKind.RATE_LIMITED and self.limiter and limit:
            self.limiter.record_rejection(limit)
        decision = failed.kind.decide(request.retry_safe)
        if decision is RetryDecision.OUTCOME_UNKNOWN:
            raise _outcome_unknown(request, failed.error) from None
        if decision is RetryDecision.RAISE or (failed.kind.maybe_applied and request.single_use):
            raise failed.error from None

    def _attempt(self, request: ApiRequest, headers: Mapping[str, str]) -> Any:
        """Send a request once and parse the response.

        :raises _AttemptFailed: if no usable response was received.
        """
        import requests

        session = self._open_session(request)
        prepared = _prepare(session, request, headers)
        settings = _settings(session, prepared)
        exchange = Exchange(
            self.timeout[1], self.cancel_token if request.is_abortable else None, hide=sanitize_path
        )
        try:
            with current(exchange):
                response = session.send(
                    prepared, timeout=self.timeout, allow_redirects=False, stream=True, **settings
                )
                body = read_response(response)
        except BodyTooLarge:
            error: EngageVoiceError = UnexpectedResponse(
                f"The response to {request} is larger than {MAX_BODY >> 20} MiB", request=str(request)
            )
            raise _AttemptFailed(error, FailureKind.INVALID_RESPONSE) from None
        # ValueError, TypeError: requests does not wrap some errors of malformed responses and proxy URLs.
        except (requests.RequestException, ValueError, TypeError, OSError) as failure:
            # Only the class of the cause is named: its message contains the URL with its query.
            if exchange.sent:
                raise _AttemptFailed(_no_response(request, failure), FailureKind.NO_RESPONSE) from None
            # Not before the request: reading the file takes more CPU time than all the rest.
            check_ca_bundle(settings["verify"])
            permanent = permanent_error(failure, _host(request), settings["proxies"], str(request))
            if permanent is not None:
                raise permanent from None
            raise _AttemptFailed(_no_response(request, failure), FailureKind.NOT_SENT) from None
        self._last_used = clock.monotonic()
        return _parse(request, body)

    def _open_session(self, request: ApiRequest) -> Session:
        with self._lock.held():
            if self._session is None or self._process_id != os.getpid():
                # Not the parent process's session, whose connections the parent is using.
                self._session = open_session(self.user_agent)
                self._process_id = os.getpid()
            elif (
                request.single_use or not request.retry_safe
            ) and clock.monotonic() - self._last_used > _MAX_IDLE:
                # If the server closed the idle connection during the request, the outcome would be unknown.
                self._session.close()
            return self._session


def _settings(session: Session, prepared: PreparedRequest) -> dict[str, Any]:
    """Return proxies and certificate authorities from the environment, as arguments of ``Session.send``."""
    host = urlsplit(prepared.url or "").hostname
    no_proxy = {"no_proxy": host} if host in LOOPBACK else {}
    settings = dict(session.merge_environment_settings(prepared.url, no_proxy, None, None, None))
    del settings["stream"]
    return settings


def _retry_delay(failed: _AttemptFailed, attempts: int) -> float:
    """Return the seconds to wait before a retry, with jitter so that clients do not retry all at once."""
    if failed.delay is not None:
        return failed.delay + random.uniform(0.0, 0.5)
    is_limited = failed.kind is FailureKind.RATE_LIMITED
    initial = _INITIAL_RATE_LIMIT_BACKOFF if is_limited else _INITIAL_BACKOFF
    return min(initial * 2.0 ** min(attempts - 1, 10), _MAX_BACKOFF) * random.uniform(0.75, 1.25)


def _parse(request: ApiRequest, response: Response) -> Any:
    """Return the body of a response.

    :raises _AttemptFailed: if the response is an error or not what the contract promises.
    """
    status = response.status_code
    if status == 429:
        delay = retry_after(response)
        message = error_message(response)
        text = f"RingCX rejected {request} with 429, rate limit exceeded" + (
            f": {message}" if message else ""
        )
        limited = RateLimited(text, request=str(request), retry_after=delay)
        raise _AttemptFailed(limited, FailureKind.RATE_LIMITED, delay)
    if status >= 400:
        error = error_from_response(response, str(request))
        is_transient = isinstance(error, TransientError)
        raise _AttemptFailed(error, FailureKind.SERVER_ERROR if is_transient else FailureKind.REJECTED)
    try:
        return parse_body(response, str(request))
    except UnexpectedResponse as error:
        raise _AttemptFailed(error, FailureKind.INVALID_RESPONSE) from None


def _notify_not_applied(request: ApiRequest) -> None:
    """Notify the observer of a request that this attempt was not applied."""
    if request.observer is not None:
        # If that fails, the error being handled matters more; a further attempt would fail in on_attempt.
        with suppress(EngageVoiceError):
            request.observer.on_not_applied()


def _prepare(session: Session, request: ApiRequest, headers: Mapping[str, str]) -> PreparedRequest:
    import requests

    unprepared = requests.Request(
        request.method,
        request.url,
        params=request.params,
        json=request.json,
        data=request.form,
        headers={"Accept": "application/json", **headers},
        # A callable keeps requests from reading credentials for this host from ~/.netrc.
        auth=request.basic or (lambda prepared: prepared),
    )
    try:
        prepared = session.prepare_request(unprepared)
        for value in prepared.headers.values():
            if isinstance(value, str):
                value.encode("latin-1")
    except (requests.RequestException, TypeError, ValueError) as error:
        # The cause is suppressed: its message may contain a token.
        raise InvalidParameter(
            f"Cannot send {request} ({type(error).__name__}): params or json contain a value that cannot be "
            "sent, or the connection's credentials contain a character that HTTP headers do not allow"
        ) from None
    if isinstance(prepared.body, bytes) and any(_LONE_SURROGATE.findall(prepared.body)):
        # RingCX might replace it, and so match or store another value.
        raise InvalidParameter(
            f"Cannot send {request}: a text contains half of a character, as if it was cut inside an emoji"
        )
    return prepared


def _outcome_unknown(request: ApiRequest, cause: EngageVoiceError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{cause}. The request may have been applied and is not safe to retry. Check the leads before "
        "running the task again",
        status=cause.status,
        request=str(request),
    )


def _interrupted(request: ApiRequest, interrupt: BaseException) -> BaseException:
    """Return what to raise if the caller was interrupted while a request was in flight.

    Airflow's task timeout is not an ``Exception``, and Airflow would retry the task after it.
    """
    if FailureKind.INTERRUPTED.decide(request.retry_safe) is RetryDecision.RAISE:
        return interrupt
    unknown = _outcome_unknown(request, _no_response(request, interrupt))
    unknown.interrupted = True
    return unknown


def _no_response(request: ApiRequest, error: BaseException) -> ServiceUnavailable:
    host = _host(request)
    reason = _reason(error)
    name = type(error if reason is None else reason).__name__
    return ServiceUnavailable(f"No response from {host} to {request} ({name})", request=str(request))


def _reason(error: BaseException) -> object:
    """Return the urllib3 error inside an error of requests; None if there is none."""
    return getattr(error.args[0], "reason", None) if error.args else None


def _host(request: ApiRequest) -> str:
    return request.url.split("://", 1)[-1].partition("/")[0]
