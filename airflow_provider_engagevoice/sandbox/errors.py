"""What the sandbox answers when it refuses a request."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

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
    general, developer = _MESSAGES[refusal.status]
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
