"""CSV report of ids that were rejected, matched no lead, or whose outcome is unknown."""

from __future__ import annotations

import csv
import io
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.files.paths import safe_path
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.steps import Steps

log = logging.getLogger(__name__)

_HEADER = b"id,outcome\r\n"
_NON_DIGIT = re.compile(r"[^0-9]")


class UnprocessedIdsReport:
    """CSV file with the columns ``id`` and ``outcome``.

    The outcomes are ``rejected``, ``not_found``, ``not_done``, ``invalid`` and ``unknown``.

    It is written to a temporary file in the same folder and renamed at the end of the attempt. Both files are
    readable by their owner only. If it cannot be written any more, for example because the disk is full, an
    error is logged and the action continues without it: the outcome of the action must stay known.

    :param path: path of the report.
    :param name: part of the temporary file's name; differs for each action.
    :param size: number of bytes that an earlier attempt wrote and that are kept.
    :raises InvalidParameter: if it cannot be written there.
    """

    def __init__(self, path: str | os.PathLike[str], name: str, size: int = 0) -> None:
        self._size, self._failed = size, False
        try:
            self._path = Path(path)
            self._temporary = self._path.with_name(f".{self._path.name}.{name}")
            self.complete = self._open(size)
        except (OSError, TypeError, ValueError) as error:
            # TypeError and ValueError: not a path, or a path without a name, which may be ids instead.
            reason = error.strerror if isinstance(error, OSError) else None
            raise InvalidParameter(
                f"report: {safe_path(path)} cannot be written ({reason or type(error).__name__})"
            ) from None

    def _open(self, size: int) -> bool:
        """Open the file with the first ``size`` bytes of an earlier attempt; return whether they exist."""
        if self._path.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._temporary, flags, 0o600), "r+b")
        os.fchmod(self._file.fileno(), 0o600)
        available = self._file.seek(0, os.SEEK_END)
        if available < size:
            # The earlier attempt has renamed it already.
            with suppress(OSError), self._path.open("rb") as finished:
                self._file.seek(0)
                shutil.copyfileobj(finished, self._file)
                available = self._file.tell()
        complete = available >= size
        self._file.truncate(size if complete else 0)
        self._file.seek(0, os.SEEK_END)
        if not self._file.tell():
            self._file.write(_HEADER)
        return complete

    def add(self, ids: Iterable[object], outcome: str) -> None:
        """Add one row for each id."""
        rows = io.StringIO()
        csv.writer(rows).writerows((value, outcome) for value in ids)
        self._write(lambda: self._file.write(rows.getvalue().encode()))

    def size(self) -> int:
        """Flush the file and return its size in bytes."""
        self._write(self._flush)
        return self._size

    def close(self) -> None:
        """Rename the file to its path, unless writing failed before."""
        self._write(self._finish)
        with suppress(OSError):
            self._file.close()

    def _flush(self) -> None:
        self._file.flush()
        self._size = self._file.tell()

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._temporary.replace(self._path)

    def _write(self, operation: Callable[[], object]) -> None:
        """Run a write operation unless one has failed before; log the first failure."""
        if self._failed:
            return
        try:
            operation()
        except OSError as error:
            self._failed = True
            log.error(
                "Cannot write the report %s any more (%s); the action continues without it",
                safe_path(self._path),
                error.strerror or type(error).__name__,
            )


def find_unmatched_ids(
    leads: LeadSearch, chunk: Selection, key: str, ids: Sequence[Any], matched: int
) -> Steps[list[Any]]:
    """Return the ids that match no lead. A search is sent only if the count leaves it open.

    :param leads: searches leads.
    :param chunk: the selection.
    :param key: kind of the ids, such as ``externIds``.
    :param ids: the ids.
    :param matched: number of leads that the selection matches. Several leads may share an external id or a
        phone number, which can hide ids that match none.
    :return: the ids.
    """
    if matched == 0:
        return list(ids)
    if matched == len(ids) or (key == "leadIds" and matched > len(ids)):
        return []
    found: set[str] = set()
    yield from leads.search_steps(chunk, lambda row: found.update(_identifiers(key, row)))
    return [value for value in ids if _normalize(key, value) not in found]


def find_matched_ids(rows: Iterable[Mapping[str, Any]], key: str | None, ids: Sequence[Any]) -> list[Any]:
    """Return the ids that leads were selected by.

    :param rows: the leads, as a search returns them.
    :param key: kind of the ids; None if the leads were selected by filters.
    :param ids: the ids.
    :return: the ids that a lead has; its lead id if there are no ids.
    """
    if key is None:
        return [row["leadId"] for row in rows]
    found = {identifier for row in rows for identifier in _identifiers(key, row)}
    return [value for value in ids if _normalize(key, value) in found]


def _identifiers(key: str, row: Mapping[str, Any]) -> Iterable[str]:
    """Return the identifiers of a lead that a list of ids may contain."""
    if key != "leadPhoneNumbers":
        return [_normalize(key, row.get(_FIELDS[key]))]
    lead = row.get("campaignLead")
    rows = [row, *([lead] if isinstance(lead, Mapping) else [])]
    texts = [str(value) for each in rows for name, value in each.items() if "phone" in name.lower()]
    return [_normalize(key, number) for text in texts for number in re.split(r"[|,'\"]", text)]


_FIELDS = {"externIds": "externId", "leadIds": "leadId"}


def _normalize(key: str, value: object) -> str:
    if key != "leadPhoneNumbers":
        return str(value).strip().casefold()
    digits = _NON_DIGIT.sub("", str(value))
    # A US number, with or without the country code.
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
