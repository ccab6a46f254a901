"""Response parsing: bodies, errors and ``Retry-After``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
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
from airflow_provider_engagevoice.ringcx.transport.sanitize import sanitize

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.transport.exchange import Response

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

_WORDS = re.compile(r"\w+")


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
    if response.status_code >= 300:
        raise _unexpected(response, request, "a redirect")
    if not text:
        return None
    if "html" in content_type or text.startswith("<"):
        raise _unexpected(response, request, "a web page instead of JSON; check the connection's host")
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    # Not raised inside an except block: the error of json contains the text, which may contain a token.
    if "text/plain" in content_type:
        return text
    raise _unexpected(response, request, "invalid JSON")


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
    return sanitize("; ".join(_without_repeats(parts)))


def _without_repeats(parts: list[str]) -> list[str]:
    """Return the parts of a message whose words no other part contains, apart from punctuation."""
    words = [" ".join(_WORDS.findall(part.lower())) for part in parts]
    return [
        part
        for number, part in enumerate(parts)
        if not any(
            f" {words[number]} " in f" {other} " and (other != words[number] or index < number)
            for index, other in enumerate(words)
            if index != number
        )
    ]


def _text(response: Response) -> str:
    """Decode a body as UTF-8, which RingCX uses (guide, "URIs"), even if the header lacks the charset."""
    return response.content.decode("utf-8", "replace")


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
