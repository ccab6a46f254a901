"""Long lists of ids: duplicates dropped, in bounded memory, read as often as needed."""

from __future__ import annotations

import hashlib
import itertools
import sqlite3
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, overload

IN_MEMORY = 20_000
"""Most ids that are kept in memory. More go to a temporary file."""

_BATCH = 5_000
#: Kibibytes of memory for the sorting that finds duplicates.
_CACHE = 16_384


class SpooledIds(Sequence[Any]):
    """Ids in a temporary file, in the order in which they first came, without duplicates.

    The file has no name and is nobody else's: SQLite deletes it as soon as it is open, so nothing is left
    of it even where the process is killed.

    :param ids: the ids; read once.
    """

    def __init__(self, ids: Iterable[Hashable]) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("BEGIN")
        self._database.execute("CREATE TABLE given (position INTEGER PRIMARY KEY, id)")
        rows = ((value,) for value in ids)
        while batch := list(itertools.islice(rows, _BATCH)):
            self._database.executemany("INSERT INTO given (id) VALUES (?)", batch)
        # Sorting finds duplicates twenty times faster than an index that grows at random places.
        self._database.execute("CREATE TABLE ids (position INTEGER PRIMARY KEY, id)")
        self._database.execute("INSERT INTO ids (id) SELECT id FROM given GROUP BY id ORDER BY min(position)")
        self._database.execute("DROP TABLE given")
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
        for start in range(0, self._length, _BATCH):
            yield from self._read(start, start + _BATCH)

    def _read(self, start: int, stop: int) -> list[Any]:
        statement = "SELECT id FROM ids WHERE position > ? AND position <= ? ORDER BY position"
        with self._lock:
            return [value for (value,) in self._database.execute(statement, (start, stop))]


def unique(ids: Iterable[Hashable]) -> Sequence[Any]:
    """Drop duplicates; the first of each stays where it was.

    :param ids: the ids, however many; read once.
    :return: a list, or beyond 20,000 ids a sequence that keeps them in a temporary file.
    """
    source = iter(ids)
    seen = dict.fromkeys(itertools.islice(source, IN_MEMORY))
    following = next(source, None)
    if following is None:
        return list(seen)
    return SpooledIds(itertools.chain(seen, [following], source))


def fingerprint(ids: Iterable[object]) -> str:
    """Give a short text that any change of the ids changes.

    :param ids: the ids.
    :return: 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for value in ids:
        digest.update(repr(value).encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()[:16]
