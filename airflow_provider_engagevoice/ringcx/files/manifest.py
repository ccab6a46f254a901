"""Manifest of a file: its number of rows, its size, its digest and its columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, SourceRejected
from airflow_provider_engagevoice.ringcx.files.paths import safe_path

SUFFIX = ".meta.json"
"""Suffix that is added to the name of a file for its manifest."""

_READ_SIZE = 1 << 20


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
        size, digest = _measure(path)
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
    """
    shown = safe_path(path)
    try:
        with (Path(path) if isinstance(path, str) else path).open("rb") as file:
            content = json.load(file)
    except OSError as error:
        raise InvalidParameter(
            f"Manifest {shown} cannot be read: {error.strerror or type(error).__name__}"
        ) from None
    except ValueError:
        content = None
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


def find_manifest(path: Any) -> Manifest | None:
    """Return the manifest of a file that is in the same folder.

    :param path: path of the file, or an object with ``open(mode)``.
    :return: the manifest ``<path>.meta.json``; None if there is none.
    :raises InvalidParameter: if it is not valid.
    """
    beside = _manifest_path(path)
    try:
        exists = beside is not None and beside.exists()
    except OSError:
        exists = False
    return read_manifest(beside) if exists else None


def _manifest_path(path: Any) -> Any:
    """Return the path of a file's manifest; None if an object has no folder."""
    if isinstance(path, str):
        path = Path(path)
    name = PurePosixPath(str(path)).name
    return path.parent / f"{name}{SUFFIX}" if hasattr(path, "parent") and hasattr(path, "exists") else None


def _measure(path: Any) -> tuple[int, str]:
    """Return the size and the sha256 of a file."""
    size, digest = 0, hashlib.sha256()
    with (Path(path) if isinstance(path, str) else path).open("rb") as file:
        while block := file.read(_READ_SIZE):
            size += len(block)
            digest.update(block)
    return size, digest.hexdigest()
