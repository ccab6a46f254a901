"""Error responses of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http.client import responses
from typing import TypeVar

T = TypeVar("T")

#: ``generalMessage`` and ``developerMessage`` by status. Source: contract, response examples; 405 and
#: 413 are assumed.
_MESSAGES = {
    400: ("The supplied data is not valid", "Bad request"),
    403: ("You do not have permission to access this resource", "Access is denied"),
    404: ("The resource you have requested does not exist", "Not found"),
    401: ("You are not signed in", "Unauthorized"),
    405: ("Request method is not supported", "Method not allowed"),
    413: ("The request is too large", "Payload too large"),
    500: ("An Internal Server Error occurred while processing this request", "Internal server error"),
}

TOKEN_EXPIRED = "Jwt is expired"
"""Body of a 401 for an expired Bearer token. Source: guide, authentication."""

UNAUTHORIZED = "Full authentication is required to access this resource"
"""Body of any other 401. Assumed wording; it must not contain "expired"."""

TOO_MANY_REQUESTS = "Request rate exceeded"
"""Body of a 429. Assumed wording; an observed one mentions only the rate."""


@dataclass(frozen=True)
class InvalidValue:
    """A rejected value; an entry of ``validationErrors``. Source: contract, ValidationErrorData.

    :param attribute: name of the value.
    :param message: what is wrong with it.
    :param value: the value as text; None if it is too complex to show.
    """

    attribute: str
    message: str
    value: str | None = None

    @classmethod
    def of(cls, attribute: str, problem: object, value: object) -> InvalidValue:
        """Describe a rejected value of a request.

        :param attribute: name of the value.
        :param problem: what is wrong with it, such as ``must be a text``.
        :param value: the value; it is shown shortened, and omitted if it is nested deeper than a list.
        """
        entries = value[:10] if isinstance(value, list) else [value]
        simple = [str(entry) for entry in entries if isinstance(entry, (str, int, float))]
        return cls(attribute, str(problem), ", ".join(simple)[:100] if simple else None)

    def as_dict(self) -> dict[str, object]:
        """Return it in RingCX's format."""
        return {"attributeName": self.attribute, "message": self.message, "value": self.value}


class ApiError(Exception):
    """A request fails with an HTTP error and the ``Errors`` body.

    :param status: HTTP status.
    :param details: what exactly is wrong.
    :param invalid: the rejected values.
    """

    def __init__(self, status: int, details: str = "", invalid: Sequence[InvalidValue] = ()) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.invalid = tuple(invalid)


def validation_error(invalid: Sequence[InvalidValue]) -> ApiError:
    """Return an error with status 400 and a sentence that names each rejected value."""
    return ApiError(400, "; ".join(f"{each.attribute} {each.message}" for each in invalid), invalid)


def parse_field(name: str, value: object, parse: Callable[[object], T]) -> T:
    """Parse one untrusted value.

    :param name: name of the value in the error.
    :param value: the value.
    :param parse: returns the parsed value, or raises ValueError.
    :return: the parsed value.
    :raises ApiError: with status 400, if the value is invalid.
    """
    try:
        return parse(value)
    except ValueError as error:
        raise validation_error([InvalidValue.of(name, error, value)]) from error


class Unauthorized(Exception):
    """A request fails with 401 and a plain-text body.

    :param text: the body.
    """

    def __init__(self, text: str = UNAUTHORIZED) -> None:
        super().__init__(text)
        self.text = text


def error_body(error: ApiError, method: str, path: str, timestamp: int) -> bytes:
    """Return the ``Errors`` object.

    :param error: the error.
    :param method: method of the request.
    :param path: path of the request; shown without its leading slash, as in the contract's examples.
    :param timestamp: milliseconds since 1970.
    :return: JSON. Source: contract, ``Errors``; ``errorCode`` of a 403: guide.
    """
    # Injected faults may use any status.
    phrase = responses.get(error.status, "Unknown error")
    general, developer = _MESSAGES.get(error.status, (phrase, phrase))
    body: dict[str, object] = {
        "generalMessage": general,
        "developerMessage": developer,
        "details": error.details,
        "cause": "",
        "requestUri": f"{path.lstrip('/')} - {method}",
        "timestamp": timestamp,
        "validationErrors": [invalid.as_dict() for invalid in error.invalid],
    }
    if error.status == 403:
        body["errorCode"] = "access.denied.exception"
    return json.dumps(body).encode()
