"""Request log file in JSON Lines format, written as requests arrive."""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType
from typing import TextIO

from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest

STANDARD_OUTPUT = "-"


class RequestLogFile:
    """A file with one JSON object per request; use it as a context manager.

    A new file gets mode 0600; an existing file is appended to. Each line is written before the response of
    its request is sent.

    :param file: file name, or ``-`` for standard output.
    :raises OSError: if the file cannot be opened. Raised on entering.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._output: TextIO | None = None

    def __enter__(self) -> RequestLogFile:
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
        """Write one request. If that fails, print one message and stop logging; requests are unaffected."""
        with self._lock:
            if self._output is None:
                return
            try:
                self._output.write(f"{record.as_json()}\n")
                self._output.flush()
            except (OSError, ValueError) as error:
                self._output = None
                print(
                    f"Cannot write the request log {self._file}: {error}. Logging has stopped.",
                    file=sys.stderr,
                )
