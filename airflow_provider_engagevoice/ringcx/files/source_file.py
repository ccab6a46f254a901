"""A source file: a path or an object in storage, opened for reading."""

from __future__ import annotations

import errno
import gzip
import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, TransientError
from airflow_provider_engagevoice.ringcx.files.paths import (
    ARGUMENT_OF,
    Content,
    file_format,
    is_compressed,
    safe_path,
)

_PERMANENT_ERRNOS = frozenset(
    {errno.ENOENT, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}
)


def is_permanent(error: OSError) -> bool:
    """Return whether an error is that of a path; others, such as those of a network, may pass."""
    # Storage other than local files raises these classes without a number.
    classes = (FileNotFoundError, IsADirectoryError, PermissionError)
    return error.errno in _PERMANENT_ERRNOS or isinstance(error, classes)


@dataclass
class SourceFile:
    """A file to read.

    :param path: a path, or any object with ``open(mode)`` whose text is a path, such as Airflow's
        ``ObjectStoragePath``.
    :param content: what is in the file, ``ids`` or ``rows``.
    :raises InvalidParameter: if the path is not a path, or its suffix is not that of a supported format.
    """

    path: Any
    content: Content = "ids"
    #: As :func:`~airflow_provider_engagevoice.ringcx.files.paths.file_format` returns it.
    format: str = field(init=False)

    def __post_init__(self) -> None:
        self.format = file_format(self.path, self.content)
        if isinstance(self.path, str):
            self.path = Path(self.path)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """Open the file: as bytes if its format is Parquet, else as UTF-8 text, decompressed.

        :raises InvalidParameter: if the path cannot be read.
        :raises TransientError: on exit from the ``with`` block, if the file changed while it was read.
        """
        with ExitStack() as stack:
            before = self._version()
            yield self._open(stack)
            if self._version() != before:
                raise TransientError(
                    "source changed while it was read, so its end may be incomplete; write it under another "
                    "name and rename it when it is complete"
                )

    def _version(self) -> tuple[object, ...] | None:
        """Return the size and the time of the last change; None if the storage does not have them."""
        try:
            status = self.path.stat()
            return status.st_size, status.st_mtime
        except Exception:
            # Each kind of storage raises its own errors; opening the file shows those that matter.
            return None

    def _open(self, stack: ExitStack) -> Any:
        try:
            file: Any = stack.enter_context(self.path.open("rb"))
        except UnicodeEncodeError:
            raise InvalidParameter(
                f"source {safe_path(self.path)} cannot be read: the name contains half of a character"
            ) from None
        except OSError as error:
            if not is_permanent(error):
                raise
            reason = type(error).__name__ if type(error) is not OSError else error.strerror
            shown = safe_path(self.path)
            if shown == "***":
                raise InvalidParameter(
                    f"source cannot be read ({reason}) and may be {self.content} instead of a path; pass "
                    f"{self.content} in {ARGUMENT_OF[self.content]}"
                ) from None
            raise InvalidParameter(f"source {shown} cannot be read: {reason}") from None
        if self.format == "parquet":
            return file
        if is_compressed(self.path):
            file = stack.enter_context(gzip.GzipFile(fileobj=file))
        return stack.enter_context(io.TextIOWrapper(file, encoding="utf-8-sig", newline=""))
