"""Reading RingCX's answers: what is trusted, what is an error, and what may be repeated of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.exceptions import (
    AccessDenied,
    AuthenticationError,
    EngageVoiceError,
    InvalidRequest,
    NotFound,
    ServiceUnavailable,
    UnexpectedResponse,
)

if TYPE_CHECKING:
    from requests import Response

_CLASSES: Mapping[int, type[EngageVoiceError]] = {
    401: AuthenticationError,
    403: AccessDenied,
    404: NotFound,
    408: ServiceUnavailable,
}

#: Where RingCX and the RingCentral platform put their message. Source: contract (``Errors``,
#: ``LeadActionResult``) and the OAuth error format.
_MESSAGE_KEYS = (
    "generalMessage",
    "developerMessage",
    "details",
    "errorMessage",
    "error_description",
    "message",
)

_PERSONAL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+|\+?\d[\d\s().-]{8,}\d")


def parse_body(response: Response, request: str) -> Any:
    """Read the body of a successful answer.

    :param response: the answer.
    :param request: method and path, for the error.
    :return: the JSON value; text where the answer is plain text; None where it is empty.
    :raises UnexpectedAnswer: on an HTML page, a redirect or broken JSON. Observed: a path outside
        RingCX's API is answered by the web application's page with status 200.
    """
    text = _text(response).strip()
    kind = response.headers.get("Content-Type", "").lower()
    if response.is_redirect or response.status_code >= 300:
        raise _unexpected(response, request, "a redirect")
    if not text:
        return None
    if "html" in kind or text.startswith("<"):
        raise _unexpected(response, request, "a web page instead of JSON; check the connection's host")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if "text/plain" in kind:
            return text
        raise _unexpected(response, request, "broken JSON") from None


def error_from_response(response: Response, request: str) -> EngageVoiceError:
    """Make the error of an answer with a status of 400 or more.

    :param response: the answer.
    :param request: method and path.
    :return: the error, with RingCX's own message in it.
    """
    status = response.status_code
    said = error_message(response)
    return _CLASSES.get(status, ServiceUnavailable if status >= 500 else InvalidRequest)(
        f"{_service(request)} answered {status} to {request}" + (f": {said}" if said else ""),
        status=status,
        request=request,
    )


def error_message(response: Response) -> str:
    """Find RingCX's own message in an error's body.

    :param response: the answer.
    :return: the message, at most 300 characters, without mail addresses and long numbers, since it
        may repeat a lead's; empty where there is none.
    """
    if "html" in response.headers.get("Content-Type", "").lower():
        return "a web page instead of JSON"
    try:
        body = json.loads(_text(response))
    except (ValueError, RecursionError):
        return sanitize(_text(response))
    if not isinstance(body, dict):
        return ""
    parts = [body[key] for key in _MESSAGE_KEYS if isinstance(body.get(key), str) and body[key]]
    invalid = body.get("validationErrors")
    for entry in invalid if isinstance(invalid, list) else ():
        if isinstance(entry, dict):
            parts.append(f"{entry.get('attributeName')}: {entry.get('message')}")
    return sanitize("; ".join(parts))


def _text(response: Response) -> str:
    """Read a body as UTF-8, which RingCX writes (guide, "URIs"), whether its header says so or not."""
    return response.content.decode("utf-8", "replace")


def sanitize(text: str) -> str:
    """Make text of the service fit for a log or an error.

    :param text: the text.
    :return: one printable line of at most 300 characters; mail addresses and numbers of ten digits
        and more, which may be a lead's, become ``…``.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return _PERSONAL.sub("…", line)[:300]


def retry_after(response: Response) -> float | None:
    """Read how long RingCX asks to wait.

    :param response: an answer with status 429.
    :return: seconds, at most an hour; None where it does not say (its documents never promise it), or
        names no moment to come, as a server does whose clock is behind.
    """
    value = response.headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            from datetime import datetime, timezone

            seconds = (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(seconds, 3600.0) if seconds > 0 else None


def _service(request: str) -> str:
    """Name who answers: the sign-in by JWT begins at the RingCentral platform."""
    return "RingCentral" if " /restapi/" in request else "RingCX"


def _unexpected(response: Response, request: str, what: str) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"{_service(request)} answered {request} with {what}", status=response.status_code, request=request
    )
