"""What the sandbox answers when it refuses a request."""

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

EXPIRED = "Jwt is expired"
"""Body of a 401 for an expired bearer token. Source: guide, authentication."""

NOT_SIGNED_IN = "Full authentication is required to access this resource"
"""Body of any other 401. Assumed wording; it must not contain "expired"."""

TOO_MANY = "Request rate exceeded"
"""Body of a 429. Assumed wording; one was observed to speak of the rate only."""


@dataclass(frozen=True)
class Invalid:
    """One value that was refused; an entry of ``validationErrors``. Source: contract, ValidationErrorData.

    :param attribute: name of the value.
    :param message: what is wrong with it.
    :param value: the value as text, None where it is too odd to print.
    """

    attribute: str
    message: str
    value: str | None = None

    @classmethod
    def of(cls, attribute: str, problem: object, value: object) -> Invalid:
        """Describe a refused value of a request.

        :param attribute: name of the value.
        :param problem: what is wrong with it, such as ``must be a text``.
        :param value: the value; it is shown cut short, and not at all where it is nested deeper than a list.
        """
        entries = value[:10] if isinstance(value, list) else [value]
        simple = [str(entry) for entry in entries if isinstance(entry, (str, int, float))]
        return cls(attribute, str(problem), ", ".join(simple)[:100] if simple else None)

    def as_dict(self) -> dict[str, object]:
        """Return it as RingCX writes it."""
        return {"attributeName": self.attribute, "message": self.message, "value": self.value}


class Refusal(Exception):
    """A request that ends with an HTTP error and the ``Errors`` body.

    :param status: the HTTP status.
    :param details: what exactly is wrong.
    :param invalid: the values refused.
    """

    def __init__(self, status: int, details: str = "", invalid: Sequence[Invalid] = ()) -> None:
        super().__init__(details)
        self.status = status
        self.details = details
        self.invalid = tuple(invalid)


def refused_values(invalid: Sequence[Invalid]) -> Refusal:
    """Make the refusal of bad values: 400, and one sentence that names each of them."""
    return Refusal(400, "; ".join(f"{each.attribute} {each.message}" for each in invalid), invalid)


def read_or_refuse(name: str, value: object, read: Callable[[object], T]) -> T:
    """Read one untrusted value.

    :param name: what a refusal calls it.
    :param value: the value.
    :param read: returns what is read, or raises ValueError.
    :return: what is read.
    :raises Refusal: with status 400, where the value is bad.
    """
    try:
        return read(value)
    except ValueError as error:
        raise refused_values([Invalid.of(name, error, value)]) from error


class NotSignedIn(Exception):
    """A request that ends with 401 and plain text.

    :param text: the whole body.
    """

    def __init__(self, text: str = NOT_SIGNED_IN) -> None:
        super().__init__(text)
        self.text = text


def error_body(refusal: Refusal, method: str, path: str, timestamp: int) -> bytes:
    """Write the ``Errors`` object.

    :param refusal: what went wrong.
    :param method: method of the request.
    :param path: path of the request; printed without its first slash, as in the contract's examples.
    :param timestamp: milliseconds since 1970.
    :return: JSON. Source: contract, ``Errors``; ``errorCode`` on a 403 from the guide.
    """
    # A fault may ask for any status.
    phrase = responses.get(refusal.status, "Unknown error")
    general, developer = _MESSAGES.get(refusal.status, (phrase, phrase))
    body: dict[str, object] = {
        "generalMessage": general,
        "developerMessage": developer,
        "details": refusal.details,
        "cause": "",
        "requestUri": f"{path.lstrip('/')} - {method}",
        "timestamp": timestamp,
        "validationErrors": [invalid.as_dict() for invalid in refusal.invalid],
    }
    if refusal.status == 403:
        body["errorCode"] = "access.denied.exception"
    return json.dumps(body).encode()
