"""Deduplicated lists of ids in canonical order and bounded memory; long ones go to a temporary file."""

from __future__ import annotations

import hashlib
import itertools
import threading
import unicodedata
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, overload

from airflow_provider_engagevoice.ringcx.leads.temporary import (
    open_temporary_database,
    temporary_database_errors,
)

IN_MEMORY = 20_000
"""Most ids kept in memory. Longer lists go to a temporary file."""

_BATCH_SIZE = 5_000
#: SQLite's page cache in KiB, used by the sort that finds duplicates.
_CACHE_KIB = 16_384
_SCHEMA = "CREATE TABLE input (position INTEGER PRIMARY KEY, key, id);"


class SpooledIds(Sequence[Any]):
    """Distinct ids in a temporary file, in the order of :func:`canonical_order`.

    The file has no name and is private: SQLite unlinks it as soon as it is open, so it does not outlive the
    process, even if the process is killed.

    :param ids: the ids; read once.
    :raises TransientError: if the file cannot be written, for example because there is no room for it.
    :raises PermanentError: if it cannot be created.
    """

    def __init__(self, ids: Iterable[Hashable]) -> None:
        with temporary_database_errors():
            self._fill(ids)

    def _fill(self, ids: Iterable[Hashable]) -> None:
        self._lock = threading.Lock()
        self._database = open_temporary_database(_SCHEMA, _CACHE_KIB)
        rows = ((comparison_key(value), value) for value in ids)
        while batch := list(itertools.islice(rows, _BATCH_SIZE)):
            self._database.executemany("INSERT INTO input (key, id) VALUES (?, ?)", batch)
        # A sort finds duplicates 20 times faster than a unique index with random insertions.
        self._database.execute("CREATE TABLE ids (position INTEGER PRIMARY KEY, id)")
        self._database.execute("INSERT INTO ids (id) SELECT id FROM input GROUP BY key, id ORDER BY key, id")
        self._database.execute("DROP TABLE input")
        self._database.execute("COMMIT")
        self._length: int = self._database.execute("SELECT count(*) FROM ids").fetchone()[0]

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._length)
            return self._read(start, stop)[::step] if step > 0 else list(self)[index]
        position = index + self._length if index < 0 else index
        if not 0 <= position < self._length:
            raise IndexError(index)
        return self._read(position, position + 1)[0]

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, self._length, _BATCH_SIZE):
            yield from self._read(start, start + _BATCH_SIZE)

    def _read(self, start: int, stop: int) -> list[Any]:
        statement = "SELECT id FROM ids WHERE position > ? AND position <= ? ORDER BY position"
        with self._lock:
            return [value for (value,) in self._database.execute(statement, (start, stop))]


def comparison_key(value: Any) -> Any:
    """Return a key that is equal for ids that RingCX may take for the same one.

    Databases may compare text without case, accents, width and surrounding blanks.

    :param value: an id.
    :return: the key; a number is its own key.
    """
    if not isinstance(value, str):
        return value
    if value.isascii():
        return value.strip().lower()
    decomposed = unicodedata.normalize("NFKD", value)
    folded = "".join(character for character in decomposed if not unicodedata.combining(character))
    return unicodedata.normalize("NFKD", folded.casefold()).strip()


def canonical_order(ids: Sequence[Any]) -> Sequence[Any]:
    """Return the distinct ids sorted by :func:`comparison_key`, then by value, numbers before text.

    :param ids: the ids.
    :return: the ids in an order that depends on their set only.
    """
    if isinstance(ids, SpooledIds):
        return ids
    return sorted(set(ids), key=lambda value: (isinstance(value, str), comparison_key(value), value))


def chunk_starts(ids: Sequence[Any], size: int) -> Sequence[int]:
    """Return where each chunk of the ids starts; ids with the same :func:`comparison_key` share a chunk.

    :param ids: the ids in canonical order.
    :param size: most ids in a chunk; it is exceeded only by ids with the same key.
    :return: the first position of each chunk, then the number of ids.
    """
    starts, position = array("q", [0]), 0
    for _, group in itertools.groupby(ids, comparison_key):
        length = sum(1 for _ in group)
        if position > starts[-1] and position + length - starts[-1] > size:
            starts.append(position)
        position += length
    starts.append(position)
    return starts


def deduplicate(ids: Iterable[Hashable]) -> Sequence[Any]:
    """Return the distinct ids in the order of their first occurrence; many ids in canonical order.

    :param ids: any number of ids; read once.
    :return: a list; for more than 20,000 ids, a sequence backed by a temporary file.
    """
    source = iter(ids)
    seen = dict.fromkeys(itertools.islice(source, IN_MEMORY))
    next_id = next(source, None)
    if next_id is None:
        return list(seen)
    return SpooledIds(itertools.chain(seen, [next_id], source))


def fingerprint(ids: Iterable[object]) -> str:
    """Return a short digest of the ids.

    :param ids: the ids.
    :return: 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for value in ids:
        digest.update(repr(value).encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:16]
