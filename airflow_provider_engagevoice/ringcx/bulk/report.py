"""A private file of the ids that an action has not reached: rejected by RingCX, or found nowhere."""

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
from airflow_provider_engagevoice.ringcx.leads.search import LeadSearch
from airflow_provider_engagevoice.ringcx.leads.selection import Selection

log = logging.getLogger(__name__)

_HEADER = b"id,outcome\r\n"
_NO_DIGIT = re.compile(r"[^0-9]")


class UnprocessedIdsReport:
    """A CSV file with the columns ``id`` and ``outcome``, which is ``rejected`` or ``find_unmatched_ids``.

    It grows under another name beside its place, and is renamed at the end of a try. Both are readable for
    their owner only. Where it cannot be written any more, as on a full disk, the log says so, and the action
    goes on without it: what was done must not become unknown for that.

    :param path: where it is to be.
    :param name: tells it from the report of another action.
    :param size: bytes that an earlier try wrote and that are to be kept.
    :raises InvalidParameter: where it cannot be written there.
    """

    def __init__(self, path: str | os.PathLike[str], name: str, size: int = 0) -> None:
        self._path = Path(path)
        self._growing = self._path.with_name(f".{self._path.name}.{name}")
        self._size, self._broken = size, False
        try:
            self.complete = self._go_on(size)
        except OSError as error:
            raise InvalidParameter(
                f"report: {self._path} cannot be written ({error.strerror or type(error).__name__})"
            ) from None

    def _go_on(self, size: int) -> bool:
        """Open what an earlier try wrote, without what it wrote last; tell whether it was all there."""
        if self._path.is_dir():
            raise IsADirectoryError(None, "Is a directory")
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.fdopen(os.open(self._growing, flags, 0o600), "r+b")
        os.fchmod(self._file.fileno(), 0o600)
        kept = self._file.seek(0, os.SEEK_END)
        if kept < size:
            # That try got as far as renaming it.
            with suppress(OSError), self._path.open("rb") as finished:
                self._file.seek(0)
                shutil.copyfileobj(finished, self._file)
                kept = self._file.tell()
        complete = kept >= size
        self._file.truncate(size if complete else 0)
        self._file.seek(0, os.SEEK_END)
        if not self._file.tell():
            self._file.write(_HEADER)
        return complete

    def add(self, ids: Iterable[object], outcome: str) -> None:
        """Add ids."""
        rows = io.StringIO()
        csv.writer(rows).writerows((value, outcome) for value in ids)
        self._try(lambda: self._file.write(rows.getvalue().encode()))

    def size(self) -> int:
        """Make sure that all is written; return how many bytes there are."""
        self._try(self._flush)
        return self._size

    def close(self) -> None:
        """Put it in its place, if it is whole."""
        self._try(self._finish)
        with suppress(OSError):
            self._file.close()

    def _flush(self) -> None:
        self._file.flush()
        self._size = self._file.tell()

    def _finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._growing.replace(self._path)

    def _try(self, write: Callable[[], object]) -> None:
        """Write, unless that has failed before; say so the first time."""
        if self._broken:
            return
        try:
            write()
        except OSError as error:
            self._broken = True
            log.error(
                "report: %s cannot be written any more (%s); the action goes on without it",
                self._path,
                error.strerror or type(error).__name__,
            )


def find_unmatched_ids(
    leads: LeadSearch, chunk: Selection, key: str, ids: Sequence[Any], matched: int
) -> list[Any]:
    """Tell which ids match no lead. Searches only where the count says that some may.

    :param leads: searches leads.
    :param part: the selection.
    :param key: what the ids are.
    :param ids: the ids.
    :param matched: leads that the selection matches. Several leads may have one external id, or one phone
        number; by chance that can make up for ids that match none.
    :return: the ids.
    """
    if matched == 0:
        return list(ids)
    if matched == len(ids) or (key == "leadIds" and matched > len(ids)):
        return []
    found = {name for row in leads.search(chunk) for name in _names(key, row)}
    return [value for value in ids if _name(key, value) not in found]


def _names(key: str, row: Mapping[str, Any]) -> Iterable[str]:
    """Give what a lead may be called by in a list of ids."""
    if key != "leadPhoneNumbers":
        return [_name(key, row.get(_FIELDS[key]))]
    lead = row.get("campaignLead")
    rows = [row, *([lead] if isinstance(lead, Mapping) else [])]
    texts = [str(value) for each in rows for name, value in each.items() if "phone" in name.lower()]
    return [_name(key, number) for text in texts for number in re.split(r"[|,'\"]", text)]


_FIELDS = {"externIds": "externId", "leadIds": "leadId"}


def _name(key: str, value: object) -> str:
    if key != "leadPhoneNumbers":
        return str(value).strip().casefold()
    digits = _NO_DIGIT.sub("", str(value))
    # A number of the USA, with or without the country's.
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
