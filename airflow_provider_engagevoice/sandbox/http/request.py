"""A request as request handlers see it, read completely."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from airflow_provider_engagevoice.sandbox.http.errors import ApiError


@dataclass(frozen=True)
class ApiRequest:
    """An HTTP request.

    :param method: HTTP method.
    :param path: path.
    :param path_params: values of the route's path parameters.
    :param query: query parameters; of a repeated one the last value.
    :param headers: headers, with case-insensitive names.
    :param body: body.
    :param operation: name of the operation.
    :param log_fields: fields to add to the request's log record.
    """

    method: str
    path: str
    path_params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    operation: str
    log_fields: dict[str, str]

    def form(self) -> dict[str, str]:
        """Return query and urlencoded body parameters merged; the body takes precedence."""
        pairs = parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return {**self.query, **dict(pairs)}

    def json(self) -> object:
        """Parse the body as JSON.

        :raises ApiError: with status 400, if it is not JSON or holds text that the database cannot store.
        """
        try:
            # Strictly UTF-8 (guide): json would detect other encodings, and accept surrogates.
            text = self.body.decode("utf-8-sig")
            value = json.loads(text, parse_constant=_reject_constant, parse_float=_parse_finite)
        except (ValueError, RecursionError) as error:
            raise ApiError(400, "The request body is not valid JSON") from error
        if "\\u0000" in text or "\\ud" in text.lower():
            _check_characters(value)
        return value

    def json_object(self) -> dict[str, object]:
        """Parse the body as a JSON object.

        :raises ApiError: with status 400, if it is not an object.
        """
        value = self.json()
        if not isinstance(value, dict):
            raise ApiError(400, "The request body must be a JSON object")
        return value


def _reject_constant(name: str) -> object:
    """Raise for NaN and Infinity, which Python accepts although they are not JSON."""
    raise ValueError(f"{name} is not JSON")


def _parse_finite(digits: str) -> float:
    """Parse a number; raise if it exceeds the range of a float."""
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits} is out of range")
    return number


def _check_characters(value: object) -> None:
    """Raise for NUL and lone surrogates, which SQLite changes or cannot store."""
    for text in _texts(value):
        if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ApiError(400, "The request body contains a character that is not allowed")


def _texts(value: object) -> Iterator[str]:
    """Yield all strings of a JSON value, including keys."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            pending += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            pending += part
