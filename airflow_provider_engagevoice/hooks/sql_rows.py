"""Rows of a SQL query, streamed in bounded memory through an Airflow connection."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_engagevoice.hooks.sql_errors import sql_error
from airflow_provider_engagevoice.hooks.sql_statement import missing_sql_extra, single_statement
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.files.header import check_column_names
from airflow_provider_engagevoice.version_compat import BaseHook

_BATCH_SIZE = 1000
"""Rows in one fetch."""


@dataclass(frozen=True)
class SqlRows:
    """Rows of a SQL query, streamed in bounded memory. Each iteration runs the query from the start.

    The query runs in a transaction that is never committed. Values have the types of the driver, such as
    ``Decimal``, ``UUID`` or ``datetime``; binary values are ``bytes``. Nothing is logged.

    :param sql_conn_id: id of an Airflow connection to a database, of any type whose hook is a ``DbApiHook``.
    :param sql: one statement that returns rows. Columns that are expressions need a name (``AS``).
    :param parameters: values of the placeholders, as the driver takes them: a mapping for ``%(name)s`` or a
        sequence for ``%s`` (PostgreSQL, MySQL), a mapping for ``:name`` or a sequence for ``?`` (SQLite).
    :raises InvalidParameter: if an argument has the wrong type, or ``sql`` is empty or several statements.
    """

    sql_conn_id: str
    sql: str = field(repr=False)
    parameters: Mapping[str, Any] | Sequence[Any] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.sql_conn_id, str) or not self.sql_conn_id.strip():
            raise InvalidParameter(f"sql_conn_id must be the id of a connection, not {self.sql_conn_id!r}")
        single_statement(self.sql)
        if isinstance(self.parameters, (str, bytes)) or not isinstance(
            self.parameters, (Mapping, Sequence, type(None))
        ):
            raise InvalidParameter(
                f"parameters must be a dict or a list, not a value of type {type(self.parameters).__name__}"
            )

    @property
    def unit(self) -> str:
        """Unit of the row numbers: ``row``."""
        return "row"

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield each row with its number, from 1: values by column name, as the database spells it.

        :raises InvalidParameter: if the connection does not exist or is not one to a database, the query is
            wrong or returns no columns, or a column has no name or that of another one.
        :raises TransientError: if the database cannot be reached, or the connection is lost.
        """
        hook, names, number = _database_hook(self.sql_conn_id), None, 0
        with ExitStack() as stack:
            connection = self._connect(hook)
            stack.callback(_close, connection)
            cursor = self._query(number, _streaming_cursor, connection)
            stack.callback(_close, cursor)
            self._query(number, cursor.execute, *self._arguments())
            while True:
                rows = self._query(number, cursor.fetchmany, _BATCH_SIZE)
                if names is None:
                    # A server-side cursor has no description before the first fetch.
                    names = _column_names(cursor.description)
                if not rows:
                    return
                for row in rows:
                    number += 1
                    yield number, _by_name(names, row)

    def _connect(self, hook: Any) -> Any:
        return _without_data(
            f"Cannot connect to the database of connection {self.sql_conn_id!r}",
            "Correct the connection",
            hook.get_conn,
        )

    def _query(self, number: int, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function of the driver, after the row with a number."""
        position = f" after row {number}" if number else ""
        return _without_data(
            f"The query of connection {self.sql_conn_id!r} failed{position}",
            "Correct sql, which must be a query such as SELECT, or parameters",
            function,
            *arguments,
        )

    def _arguments(self) -> tuple[Any, ...]:
        statement = single_statement(self.sql)
        # Without parameters a percent sign is not a placeholder.
        if not self.parameters:
            return (statement,)
        is_mapping = isinstance(self.parameters, Mapping)
        return statement, dict(self.parameters) if is_mapping else list(self.parameters)


def _database_hook(conn_id: str) -> Any:
    """Return the hook of a connection to a database."""
    try:
        from airflow.providers.common.sql.hooks.sql import DbApiHook
    except ImportError:
        raise missing_sql_extra() from None
    try:
        connection = BaseHook.get_connection(conn_id)
    except Exception as error:
        # Not imported: Airflow has moved the class.
        if type(error).__name__ != "AirflowNotFoundException":
            raise
        raise InvalidParameter(
            f"Create the connection {conn_id!r}, or correct sql_conn_id: no connection has this id"
        ) from None
    try:
        hook = connection.get_hook()
    except Exception as error:
        raise InvalidParameter(
            f"Install the provider package for connections of type {connection.conn_type!r}: Airflow cannot "
            f"load the hook of connection {conn_id!r} ({type(error).__name__})"
        ) from None
    if not isinstance(hook, DbApiHook):
        raise InvalidParameter(
            f"sql_conn_id must be a connection to a database: connection {conn_id!r} has the type "
            f"{connection.conn_type!r}, whose {type(hook).__name__} does not run SQL"
        )
    return hook


def _streaming_cursor(connection: Any) -> Any:
    """Return a cursor that does not read all rows into memory.

    The class of the connection decides, not that of the hook: a hook may use one of several drivers. Most
    drivers, such as that of SQLite, read the rows of a usual cursor as they are fetched.
    """
    for parent in connection.__class__.__mro__:
        driver = parent.__module__.partition(".")[0]
        if driver in _CURSORS:
            return _CURSORS[driver](connection, driver)
    return connection.cursor()


def _server_side_cursor(connection: Any, driver: str) -> Any:
    """Return a named cursor of psycopg2 or psycopg 3, which exists only within a transaction."""
    connection.autocommit = False
    return connection.cursor("engagevoice_rows")


def _unbuffered_cursor(connection: Any, driver: str) -> Any:
    """Return a cursor of MySQLdb or PyMySQL that leaves the rows on the server until they are fetched."""
    return connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor)


_CURSORS: Mapping[str, Callable[[Any, str], Any]] = {
    "psycopg": _server_side_cursor,
    "psycopg2": _server_side_cursor,
    "MySQLdb": _unbuffered_cursor,
    "pymysql": _unbuffered_cursor,
}
"""Function that opens a streaming cursor, by the package of the driver."""


def _column_names(description: Sequence[Sequence[Any]] | None) -> list[str]:
    if description is None:
        raise InvalidParameter("sql returned no columns; it must be a query, such as SELECT")
    names = [str(column[0]) for column in description]
    check_column_names("sql", names)
    return names


def _by_name(names: Sequence[str], row: Any) -> dict[str, Any]:
    """Return the values of a row by column; some connections choose cursors whose rows are mappings."""
    values = [row[name] for name in names] if isinstance(row, Mapping) else row
    return {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in zip(names, values, strict=True)
    }


def _without_data(event: str, remedy: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of a driver, and replace its errors, whose messages may contain data."""
    try:
        return function(*arguments)
    except Exception as error:
        failure = sql_error(event, remedy, error)
    # Raised here, so that the error of the driver is not its context either.
    raise failure


def _close(resource: Any) -> None:
    # An error here would hide the one that ended the query; after the last row it does not matter.
    with suppress(Exception):
        resource.close()
