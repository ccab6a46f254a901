"""Errors of database drivers: permanent or transient, and what the message shows."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.sql_errors import sql_error
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, TransientError


class DatabaseError(Exception):
    """The class of PEP 249, as each driver defines it."""


class OperationalError(DatabaseError):
    sqlstate: Any = None


class ProgrammingError(DatabaseError):
    """The class of PEP 249."""


class UndefinedTable(ProgrammingError):
    pgcode = "42P01"


class AdminShutdown(OperationalError):
    sqlstate = "57P01"


@pytest.mark.parametrize(
    ("error", "expected", "shown"),
    [
        (UndefinedTable("secret"), InvalidParameter, "UndefinedTable (SQLSTATE 42P01). Correct sql"),
        (AdminShutdown("secret"), TransientError, "AdminShutdown (SQLSTATE 57P01). If retries"),
        # pyodbc and MySQL.
        (ProgrammingError("42S02", "secret"), InvalidParameter, "ProgrammingError (SQLSTATE 42S02)"),
        (OperationalError(2013, "secret"), TransientError, "OperationalError (code 2013)"),
        (OperationalError("secret"), TransientError, "OperationalError. If retries"),
        (DatabaseError("secret"), TransientError, "DatabaseError. If retries"),
        (OSError(104, "secret"), TransientError, "ConnectionResetError. If retries"),
        (TypeError("secret"), InvalidParameter, "TypeError. Correct sql"),
        (KeyError(5550001), InvalidParameter, "KeyError. Correct sql"),
    ],
)
def test_error_of_a_driver_is_classified_without_its_message(
    error: Exception, expected: type[Exception], shown: str
) -> None:
    found = sql_error("The query failed", "Correct sql", error)
    assert type(found) is expected
    assert f"The query failed: {shown}" in str(found)
    assert "secret" not in str(found)
    assert "5550001" not in str(found)
