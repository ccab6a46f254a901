"""Private temporary files and databases, and one error for a disk that is full or read-only."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_engagevoice.ringcx.exceptions import PermanentError, TransientError

if TYPE_CHECKING:
    import sqlite3


def open_temporary_database(schema: str, cache_kib: int) -> sqlite3.Connection:
    """Return a database in a temporary file, with a transaction begun.

    The file has no name and is private: SQLite unlinks it as soon as it is open, so it does not outlive the
    process, even if the process is killed.

    :param schema: statements that create its tables.
    :param cache_kib: SQLite's page cache, in KiB.
    """
    import sqlite3  # only long lists and rows need it, which keeps DAG parsing light

    database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    database.execute(f"PRAGMA cache_size = -{cache_kib}")
    database.execute("PRAGMA journal_mode = OFF")
    database.executescript(schema)
    database.execute("BEGIN")
    return database


@contextmanager
def temporary_database_errors() -> Iterator[None]:
    """Raise this package's error in place of SQLite's.

    :raises TransientError: if a temporary database cannot be written, for example because there is no room
        for it.
    :raises PermanentError: if it cannot be created.
    """
    import sqlite3

    try:
        yield
    except sqlite3.Error as error:
        raise temporary_file_error(str(error), created="unable to open" not in str(error)) from None


def create_temporary_file(prefix: str, folder: str | None = None) -> tuple[int, str]:
    """Create a file that only its owner can read; return its descriptor and its path.

    :param prefix: beginning of its name.
    :param folder: its folder; None for that of temporary files.
    :raises PermanentError: if it cannot be created.
    """
    try:
        return tempfile.mkstemp(prefix=prefix, dir=folder)
    except OSError as error:
        raise temporary_file_error(error.strerror or type(error).__name__, created=False) from None


def temporary_file_error(reason: str, *, created: bool) -> TransientError | PermanentError:
    """Return the error for a temporary file that cannot be written.

    :param reason: the operating system's or SQLite's reason.
    :param created: the file was created, so that a retry may find room for it.
    :return: the error to raise.
    """
    error, folder = (TransientError, "has room") if created else (PermanentError, "can be written to")
    return error(f"Set TMPDIR to a folder that {folder}: a temporary file cannot be written ({reason})")
