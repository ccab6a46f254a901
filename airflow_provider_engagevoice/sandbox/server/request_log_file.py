"""Writes requests as lines of JSON while they come in."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TextIO

from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest

STANDARD_OUTPUT = "-"


class LogLines:
    """A file of requests, one line of JSON each; use it in a ``with`` statement.

    A new file is for its owner only; an existing one goes on. Every line is there when its answer leaves.

    :param file: its name, or ``-`` for the standard output.
    :raises OSError: the file cannot be written. Raised on entering.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._output: TextIO | None = None

    def __enter__(self) -> LogLines:
        """Open the file."""
        if self._file == STANDARD_OUTPUT:
            self._output = sys.stdout
        else:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._output = os.fdopen(os.open(self._file, flags, 0o600), "a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        with self._lock:
            output, self._output = self._output, None
        if output and self._file != STANDARD_OUTPUT:
            output.close()

    def __call__(self, record: RecordedRequest) -> None:
        """Write one request. Where that fails, say so once and write no more: requests go on."""
        with self._lock:
            if self._output is None:
                return
            try:
                self._output.write(f"{record.as_json()}\n")
                self._output.flush()
            except (OSError, ValueError) as error:
                self._output = None
                print(f"The log {self._file} ends here: {error}.", file=sys.stderr)
