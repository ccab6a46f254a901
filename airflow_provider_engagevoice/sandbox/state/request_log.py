"""The record of every request, without anything secret."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

_logger = logging.getLogger(__name__)

#: Records kept, so that a sandbox that runs for weeks does not grow without end.
_KEPT = 100_000


@dataclass(frozen=True)
class RecordedRequest:
    """One request, as far as it may be kept: no body, no header but the client's name.

    :param time: when it was answered, in seconds since 1970 by the sandbox's clock.
    :param method: its method.
    :param path: its path.
    :param query: its query; the values of credentials are ``***``.
    :param status: status of the answer, None where none was given.
    :param operation: name of the operation; empty where the path has none.
    :param milliseconds: how long the answer took.
    :param limit: how far the nearest limit is used up, such as ``3 of 15 in 10 s``; empty without one.
    :param fault: the faults it met; empty without one.
    :param client_port: the client's TCP port, which tells connections apart.
    :param user_agent: what the client calls itself.
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
        """Write it as one line of JSON, in ASCII, which every terminal takes."""
        return json.dumps(asdict(self))


class RequestLog:
    """The latest requests, and somebody who wants to hear of each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: deque[RecordedRequest] = deque(maxlen=_KEPT)
        self.listener: Callable[[RecordedRequest], object] = lambda record: None

    def add(self, record: RecordedRequest) -> None:
        """Note a request."""
        with self._lock:
            self._records.append(record)
        # Outside the lock, so that a listener may read the log.
        try:
            self.listener(record)
        except Exception:
            # The request is carried out already, and its client is to hear of it.
            _logger.exception("The listener of the sandbox's requests failed")

    def records(self) -> list[RecordedRequest]:
        """Return the requests so far, in the order of their answers; of very many the latest 100,000."""
        with self._lock:
            return list(self._records)

    def forget(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._records.clear()
