"""Request log without credentials, bodies or personal data."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

_logger = logging.getLogger(__name__)

#: Maximum number of records kept, and of their approximate size in bytes; bound the memory of a long-running
#: sandbox. Records of ordinary requests reach the first limit, those with long queries the second one.
_MAX_RECORDS = 100_000
_MAX_BYTES = 64 * 1024 * 1024

#: Approximate overhead of a query parameter in bytes.
_PARAMETER_BYTES = 100


@dataclass(frozen=True)
class RecordedRequest:
    """One logged request, without body and without headers other than User-Agent.

    :param time: time of the response, in seconds since 1970 by the sandbox's clock.
    :param method: HTTP method.
    :param path: path; tokens and do-not-call phone numbers in it are ``***``.
    :param query: query parameters; the values of credentials are ``***``.
    :param status: response status; None if no response was sent.
    :param operation: name of the operation; empty if the path has none.
    :param milliseconds: duration until the response.
    :param limit: usage of the fullest rate-limit window, such as ``3 of 15 in 10 s``; empty without one.
    :param fault: kinds of the injected faults; empty without one.
    :param client_port: the client's TCP port, which identifies the connection.
    :param user_agent: the User-Agent header.
    """

    time: float
    method: str
    path: str
    query: dict[str, str] = field(hash=False)
    status: int | None
    operation: str
    milliseconds: float
    limit: str
    fault: str
    client_port: int | None
    user_agent: str

    def as_json(self) -> str:
        """Return the record as one line of ASCII JSON, which any terminal can display."""
        return json.dumps(asdict(self))

    def size(self) -> int:
        """Return the approximate size of what the client determines: path, query and User-Agent."""
        query = sum(_PARAMETER_BYTES + len(name) + len(value) for name, value in self.query.items())
        return len(self.path) + len(self.user_agent) + query


class RequestLog:
    """The latest requests, with an optional listener."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[RecordedRequest] = deque()
        self._size = 0
        self.listener: Callable[[RecordedRequest], object] = lambda record: None

    def add(self, record: RecordedRequest) -> None:
        """Add a request and call the listener."""
        with self._lock:
            self._records.append(record)
            self._size += record.size()
            while len(self._records) > _MAX_RECORDS or self._size > _MAX_BYTES:
                self._size -= self._records.popleft().size()
        # Outside the lock, so that the listener may read the log.
        try:
            self.listener(record)
        except Exception:
            # The request has been handled; its response must still be sent.
            _logger.exception("The sandbox's request listener raised an exception; the request is unaffected")

    def records(self) -> list[RecordedRequest]:
        """Return the latest 100,000 requests, in the order of their responses; fewer if queries are long."""
        with self._lock:
            return list(self._records)

    def clear(self) -> None:
        """Remove all requests."""
        with self._lock:
            self._records.clear()
            self._size = 0
