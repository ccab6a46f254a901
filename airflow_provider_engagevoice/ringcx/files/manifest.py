"""Manifest of a file: its number of rows, its size, its digest and its columns."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, SourceRejected, TransientError
from airflow_provider_engagevoice.ringcx.files.paths import safe_path
from airflow_provider_engagevoice.ringcx.files.source_file import is_permanent

SUFFIX = ".meta.json"
"""Suffix that is added to the name of a file for its manifest."""

_READ_SIZE = 1 << 20
#: A file of the name cannot exist.
_NO_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})


@dataclass(frozen=True)
class Manifest:
    """Expected content of a file; None for each fact that the manifest does not have.

    :param rows: number of rows.
    :param size: number of bytes.
    :param sha256: digest of the bytes, in hexadecimal digits.
    :param columns: names of the columns.
    """

    rows: int | None = None
    size: int | None = None
    sha256: str | None = None
    columns: Collection[str] | None = None

    def check_file(self, path: Any) -> None:
        """Raise if the bytes of a file are not those that the manifest describes.

        :param path: the file.
        :raises SourceRejected: if the size or the digest differs.
        """
        if self.size is None and self.sha256 is None:
            return
        with (Path(path) if isinstance(path, str) else path).open("rb") as file:
            size, digest = measure_file(file)
        if self.size is not None and size != self.size:
            raise SourceRejected(
                f"Write the source again: it has {size:,} bytes, and its manifest says {self.size:,}. "
                "Nothing was sent"
            )
        if self.sha256 is not None and digest != self.sha256.lower():
            raise SourceRejected(
                "Write the source and its manifest again: the sha256 of the source is not the one in its "
                "manifest. Nothing was sent"
            )

    def check_content(self, rows: int, columns: Collection[str]) -> None:
        """Raise if the rows are not those that the manifest describes.

        :param rows: number of rows that were read.
        :param columns: the columns that they have.
        :raises SourceRejected: if the number or the columns differ.
        """
        if self.rows is not None and rows != self.rows:
            raise SourceRejected(
                f"Write the source again: it has {rows:,} rows, and its manifest says {self.rows:,}. Nothing "
                "was sent"
            )
        missing = [] if self.columns is None or not rows else [c for c in self.columns if c not in columns]
        if missing:
            raise SourceRejected(
                f"Write the source again: it lacks column {missing[0]!r}, which its manifest names. Nothing "
                "was sent"
            )


def read_manifest(path: Any) -> Manifest:
    """Read a manifest.

    :param path: its path, or an object with ``open(mode)``.
    :return: the manifest.
    :raises InvalidParameter: if it does not exist or is not valid.
    :raises TransientError: if the storage does not respond.
    """
    manifest = _read(path, is_optional=False)
    assert manifest is not None
    return manifest


def find_manifest(path: Any) -> Manifest | None:
    """Return the manifest of a file that is in the same folder.

    :param path: path of the file, or an object with ``open(mode)``.
    :return: the manifest ``<path>.meta.json``; None if there is none.
    :raises InvalidParameter: if it is not valid.
    :raises TransientError: if it is not known whether there is one.
    """
    beside = _manifest_path(path)
    return None if beside is None else _read(beside, is_optional=True)


def _read(path: Any, is_optional: bool) -> Manifest | None:
    """Read a manifest.

    :param path: its path.
    :param is_optional: return None if it does not exist.
    """
    shown = safe_path(path)
    try:
        with (Path(path) if isinstance(path, str) else path).open("rb") as file:
            content = json.load(file)
    except UnicodeEncodeError:
        # Half of a character is in the name, so that no file can have it.
        if is_optional:
            return None
        raise InvalidParameter("Manifest cannot be read: its name contains half of a character") from None
    except OSError as error:
        if is_optional and (isinstance(error, FileNotFoundError) or error.errno in _NO_FILE):
            return None
        reason = os.strerror(error.errno) if isinstance(error.errno, int) else type(error).__name__
        error_type = InvalidParameter if is_permanent(error) else TransientError
        raise error_type(f"Manifest {shown} cannot be read: {reason}") from None
    except ValueError:
        content = None
    return _parse(content, shown)


def _parse(content: Any, shown: str) -> Manifest:
    if not isinstance(content, dict):
        raise InvalidParameter(f"Manifest {shown} must be a JSON object with rows, bytes, sha256 or columns")
    rows, size = (content.get(name) for name in ("rows", "bytes"))
    sha256, columns = content.get("sha256"), content.get("columns")
    if (
        any(number is not None and (type(number) is not int or number < 0) for number in (rows, size))
        or not isinstance(sha256, (str, type(None)))
        or not (columns is None or (isinstance(columns, list) and all(isinstance(c, str) for c in columns)))
    ):
        raise InvalidParameter(
            f"Manifest {shown} is not valid: rows and bytes must be numbers, sha256 text and columns a list"
        )
    return Manifest(rows, size, sha256, columns)


def _manifest_path(path: Any) -> Any:
    """Return the path of a file's manifest; None if an object has no folder."""
    if isinstance(path, str):
        path = Path(path)
    name = PurePosixPath(str(path)).name
    return path.parent / f"{name}{SUFFIX}" if hasattr(path, "parent") else None


def measure_file(file: IO[bytes]) -> tuple[int, str]:
    """Return the size and the sha256 of what is left to read of a file.

    :param file: the file.
    """
    size, digest = 0, hashlib.sha256()
    while block := file.read(_READ_SIZE):
        size += len(block)
        digest.update(block)
    return size, digest.hexdigest()
