"""An output file, local or in object storage, that appears whole or not at all, with its manifest."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, PermanentError, TransientError
from airflow_provider_engagevoice.ringcx.files.manifest import SUFFIX, measure_file
from airflow_provider_engagevoice.ringcx.files.paths import safe_path
from airflow_provider_engagevoice.ringcx.leads.temporary import (
    create_temporary_file,
    temporary_file_error,
)

_READ_SIZE = 1 << 20
#: Size of the parts of an upload, and most of them at a time. The defaults of s3fs need 500 MB of memory.
_PART_SIZE = 8 << 20
_PARTS_AT_A_TIME = 2
_MAX_PARTS = 9_000


@dataclass(frozen=True)
class WrittenFile:
    """A file that was written.

    :param path: its path.
    :param size: its number of bytes.
    :param sha256: digest of the bytes, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class OutputFile:
    """A file to write.

    A local file is written under another name in the same folder, which is made if it is missing, and
    renamed at the end, readable by its owner only. An object is written to a private temporary file and
    uploaded in one call at the end, which object stores do completely or not at all.

    :param path: a path, or an object of Airflow's ``ObjectStoragePath``.
    :raises InvalidParameter: if a local path is a folder, or its folder cannot be written to.
    """

    path: Any

    def __post_init__(self) -> None:
        if self._local is None:
            return
        folder = next(each for each in self._local.absolute().parents if each.exists())
        if self._local.is_dir() or not (folder.is_dir() and os.access(folder, os.W_OK)):
            raise InvalidParameter(f"output: {safe_path(self.path)} cannot be written")

    def write(self, write: Callable[[IO[bytes]], object]) -> WrittenFile:
        """Write the file.

        :param write: writes its content.
        :return: the file.
        :raises TransientError: if it cannot be written or uploaded; what was under the path is unchanged.
        """
        folder = str(self._local.parent) if self._local is not None else None
        try:
            if self._local is not None:
                self._local.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise temporary_file_error(error.strerror or type(error).__name__, created=False) from None
        descriptor, name = create_temporary_file(".engagevoice-", folder)
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                size, digest = measure_file(file)
            self._publish(temporary)
        except OSError as error:
            raise TransientError(
                f"Cannot write {safe_path(self.path)} ({error.strerror or type(error).__name__}); what was "
                "there is unchanged"
            ) from None
        finally:
            with suppress(OSError):
                temporary.unlink()
        return WrittenFile(str(self.path), size, digest)

    def write_manifest(self, content: Mapping[str, Any]) -> str:
        """Write the manifest of the file, which must have been written before.

        :param content: what the manifest says.
        :return: its path.
        """
        text = json.dumps(content, indent=2) + "\n"
        return OutputFile(self._manifest).write(lambda file: file.write(text.encode())).path

    def remove_manifest(self) -> None:
        """Remove the manifest of the file that was there before, if there is one.

        :raises TransientError: if it cannot be removed.
        """
        try:
            if self._manifest.exists():
                self._manifest.unlink()
        except Exception as error:  # each kind of storage raises its own errors
            raise TransientError(
                f"Cannot remove {safe_path(self._manifest)} ({type(error).__name__}) of the old file"
            ) from None

    @property
    def _manifest(self) -> Any:
        path = self.path if self._local is None else self._local
        return path.parent / f"{path.name}{SUFFIX}"

    @property
    def _local(self) -> Path | None:
        return local_path(self.path)

    def _publish(self, temporary: Path) -> None:
        """Rename the complete file, or upload it."""
        if self._local is not None:
            temporary.replace(self._local)
            return
        try:
            # One call, so that an error in the middle leaves the object that was there.
            fs = self.path.fs
            fs.put_file(str(temporary), self.path.path, **_upload_options(fs, temporary.stat().st_size))
        except OSError:
            raise
        except Exception as error:
            # Each kind of storage raises its own errors; their messages may contain credentials.
            kind = PermanentError if isinstance(error, (TypeError, NotImplementedError)) else TransientError
            raise kind(
                f"Cannot upload {safe_path(self.path)} ({type(error).__name__}); what was there is "
                "unchanged, or replaced as a whole if only the response was lost"
            ) from None


def local_path(path: Any) -> Path | None:
    """Return a path if it is local; None for an object in a store.

    :param path: a path, or an object of Airflow's ``ObjectStoragePath``.
    """
    protocol = getattr(path, "protocol", None)
    if protocol is None:
        return Path(path)
    # On Airflow 2 and 3.0 an ObjectStoragePath is a Path, too.
    return Path(path.path) if protocol in ("file", "local", "") else None


def _upload_options(fs: Any, size: int) -> dict[str, Any]:
    """Return arguments of ``put_file`` that bound its memory, as far as the file system has them."""
    parameters = inspect.signature(getattr(fs, "_put_file", fs.put_file)).parameters
    # Whole mebibytes, as Google's storage requires.
    part_size = max(_PART_SIZE, -(-size // _MAX_PARTS // _READ_SIZE) * _READ_SIZE)
    options = {"chunksize": part_size, "max_concurrency": _PARTS_AT_A_TIME}
    return {name: value for name, value in options.items() if name in parameters}
