"""Response parsing: bodies, errors and ``Retry-After``."""

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

_ERROR_CLASSES: Mapping[int, type[EngageVoiceError]] = {
    401: AuthenticationError,
    403: AccessDenied,
    404: NotFound,
    408: ServiceUnavailable,
}

#: Keys under which RingCX and the RingCentral platform return an error message. Source: contract (``Errors``,
#: ``LeadActionResult``) and the OAuth error format.
_MESSAGE_KEYS = (
    "generalMessage",
    "developerMessage",
    "details",
    "errorMessage",
    "error_description",
    "message",
)

#: Mail addresses, and numbers that may be phone numbers.
_PERSONAL_DATA = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+|\+?\d[\d\s().-]{8,}\d")


def parse_body(response: Response, request: str) -> Any:
    """Parse the body of a successful response.

    :param response: the response.
    :param request: method and path, for the error.
    :return: the JSON value; text if the response is plain text; None if it is empty.
    :raises UnexpectedResponse: on an HTML page, a redirect or invalid JSON. Observed: for a path outside
        RingCX's API, the web application's page is returned with status 200.
    """
    text = _text(response).strip()
    content_type = response.headers.get("Content-Type", "").lower()
    if response.is_redirect or response.status_code >= 300:
        raise _unexpected(response, request, "a redirect")
    if not text:
        return None
    if "html" in content_type or text.startswith("<"):
        raise _unexpected(response, request, "a web page instead of JSON; check the connection's host")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        if "text/plain" in content_type:
            return text
        raise _unexpected(response, request, "invalid JSON") from None


def error_from_response(response: Response, request: str) -> EngageVoiceError:
    """Return the error for a response with a status of 400 or more.

    :param response: the response.
    :param request: method and path.
    :return: the error, which includes RingCX's own message.
    """
    status = response.status_code
    message = error_message(response)
    return _ERROR_CLASSES.get(status, ServiceUnavailable if status >= 500 else InvalidRequest)(
        f"{_service(request)} returned {status} for {request}" + (f": {message}" if message else ""),
        status=status,
        request=request,
    )


def error_message(response: Response) -> str:
    """Return RingCX's own message from the body of an error.

    :param response: the response.
    :return: the message, at most 300 characters, without mail addresses and long numbers, which may be a
        lead's; empty if there is none.
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
    """Decode a body as UTF-8, which RingCX uses (guide, "URIs"), even if the header lacks the charset."""
    return response.content.decode("utf-8", "replace")


def sanitize(text: str) -> str:
    """Return text of the service in a form that is safe to log.

    :param text: the text.
    :return: one printable line of at most 300 characters; mail addresses and numbers of ten digits
        and more, which may be a lead's, are replaced by ``…``.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())
    return _PERSONAL_DATA.sub("…", line)[:300]


def retry_after(response: Response) -> float | None:
    """Return the delay that the header ``Retry-After`` asks for.

    :param response: a response with status 429.
    :return: seconds, at most an hour; None if the header is missing (RingCX does not document it), invalid,
        or not in the future, as with a server whose clock is slow.
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
    """Return the name of the service: a sign-in by JWT begins at the RingCentral platform."""
    return "RingCentral" if " /restapi/" in request else "RingCX"


def _unexpected(response: Response, request: str, content: str) -> UnexpectedResponse:
    return UnexpectedResponse(
        f"{_service(request)} returned {content} (request: {request})",
        status=response.status_code,
        request=request,
    )
