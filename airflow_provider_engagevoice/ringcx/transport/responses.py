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

#: Mail addresses, and numbers that may be phone numbers: their digits may be separated by any punctuation.
_ADDRESSES = re.compile(r"[^\s@,;<>\"']+@[^\s@,;<>\"']+|[+(]*\d(?:[^\w,;:]{0,3}\d){6,}")
#: Quoted values and words with digits, such as external ids; not names such as campaignId or PASS_DELAY.
_VALUES = re.compile(r"\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)|\b(?=\w*\d)(?=\w*[^\W\d])[\w-]{4,}")
_FIELD_NAME = re.compile(r"[\"']?(?:[a-z]+(?:[A-Z][a-z]+)+|[A-Z]+(?:_[A-Z]+)+|[a-z]+(?:\.[a-z]+)+)[\"']?")
#: Words that may be the name of a person: two or more in a row, or one after a word such as "lead".
_NAME = r"[^\W\d_a-z][^\W\d_]*(?:['.\u2019-]\w+)*\.?"
_NAMES = re.compile(rf"(?<!\w){_NAME}(?:\s+{_NAME})+")
_NAME_AFTER = re.compile(
    rf"(?i:(?<!\w)(lead|contact|customer|consumer|person|named?|firstName|lastName)\s*[:=]?\s+)({_NAME}(?:\s+{_NAME})*)"
)
#: Capitalized words of RingCX's and HTTP's own messages.
# fmt: off
_OWN_WORDS = frozenset(
    {
        "a", "access", "account", "action", "an", "and", "api", "authorization", "bad", "body", "campaign",
        "cannot", "conflict", "content", "could", "created", "data", "denied", "dial", "do", "error",
        "expired", "external", "failed", "forbidden", "found", "gateway", "group", "header", "http", "id",
        "internal", "invalid", "is", "json", "jwt", "large", "lead", "leads", "length", "list", "lists",
        "long", "many", "media", "method", "missing", "moved", "no", "not", "null", "of", "or", "page",
        "parameter", "parse", "payload", "permission", "post", "put", "request", "requests", "required",
        "response", "ringcentral", "ringcx", "server", "service", "state", "status", "sub-account", "text",
        "the", "this", "timeout", "token", "too", "type", "unable", "unauthorized", "unavailable",
        "unknown", "unprocessable", "unsupported", "uri", "url", "user", "validation", "value", "with",
    }
)
# fmt: on

_WORDS = re.compile(r"\w+")

_PHONE_IN_PATH = re.compile(r"(?:\+|%2B)?\d(?:(?:[\s().-]|%2[0BD89]){0,3}\d){9,}", re.IGNORECASE)
_EMAIL_IN_PATH = re.compile(r"[^/?]+(?:@|%40)[^/?]+", re.IGNORECASE)
_TOKEN_IN_PATH = re.compile(r"(?<=/admin/token/)[^/?]+")


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


def sanitize(text: str) -> str:
    """Return text of the service in a form that is safe to log.

    RingCX's messages can repeat values of leads. What may be one is replaced by ``…``: mail addresses, phone
    numbers, numbers of seven digits and more, quoted values, words that contain digits, and names of persons
    as far as they can be recognized: two capitalized words in a row, or one after a word such as "lead".

    :param text: the text.
    :return: one printable line of at most 300 characters.
    """
    line = _printable(text)
    line = _VALUES.sub(lambda found: found[0] if _FIELD_NAME.fullmatch(found[0]) else "…", line)
    line = _ADDRESSES.sub("…", line)
    line = _NAME_AFTER.sub(
        lambda found: found[1] + found[0][len(found[1]) : -len(found[2])] + _hide_name(found[2]), line
    )
    return _NAMES.sub(lambda found: _hide_name(found[0]), line)[:300]


def sanitize_path(url: str) -> str:
    """Return a path or URL in a form that is safe to log.

    :param url: the path or URL.
    :return: one printable line of at most 300 characters, without the query; permanent tokens are replaced by
        ``***``, mail addresses and numbers of ten digits and more, which may be a lead's, by ``…``.
    """
    path = _TOKEN_IN_PATH.sub("***", _printable(url).partition("?")[0])
    return _EMAIL_IN_PATH.sub("…", _PHONE_IN_PATH.sub("…", path))[:300]


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())


def _hide_name(words: str) -> str:
    """Return capitalized words, with those that may be a name replaced by ``…``."""
    shown = [word if word.lower().strip(".") in _OWN_WORDS else "…" for word in words.split()]
    return re.sub(r"…(?: …)+", "…", " ".join(shown))


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
