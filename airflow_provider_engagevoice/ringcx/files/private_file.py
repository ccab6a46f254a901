"""A file that only its owner can read, and that appears under its name only when it is complete."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.files.paths import safe_path

log = logging.getLogger(__name__)


class PrivateFile:
    """Text file in a local folder, written under another name and renamed at the end.

    :param path: path of the file.
    :param argument: name of the argument that holds the path, for errors.
    :param name: part of the temporary file's name, so that a later attempt replaces what a killed one left.
    :raises InvalidParameter: if it cannot be written there.
    """

    def __init__(self, path: str | os.PathLike[str], argument: str, name: str) -> None:
        try:
            self._path = Path(path)
            self._temporary = self._path.with_name(f".{self._path.name}.{name}")
            if self._path.is_dir():
                raise IsADirectoryError(None, "Is a directory")
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._temporary, flags, 0o600), "w", encoding="utf-8", newline="")
            os.fchmod(self._file.fileno(), 0o600)
        except (OSError, TypeError, ValueError) as error:
            # TypeError and ValueError: not a path, or a path without a name, which may be data instead.
            reason = error.strerror if isinstance(error, OSError) else None
            raise InvalidParameter(
                f"{argument}: {safe_path(path)} cannot be written ({reason or type(error).__name__})"
            ) from None

    def finish(self, lines: Iterable[str]) -> bool:
        """Write all lines and rename the file to its path.

        :param lines: the lines, each with its end.
        :return: whether it was possible. If not, for example because the disk is full, an error is logged:
            what has been done must stay known.
        """
        try:
            self._file.writelines(lines)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._temporary.replace(self._path)
        except OSError as error:
            reason: Any = error.strerror or type(error).__name__
            log.error("Cannot write %s (%s)", safe_path(self._path), reason)
            self.discard()
            return False
        return True

    def discard(self) -> None:
        """Delete the temporary file."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._temporary.unlink()
