"""Errors of database drivers as errors of this package, without data."""

from __future__ import annotations

import re

from airflow_provider_engagevoice.ringcx.exceptions import (
    EngageVoiceError,
    InvalidParameter,
    TransientError,
)

#: Classes of PEP 249 for errors that a retry does not change. Drivers share these names, but no base class.
_PERMANENT_CLASSES = {"DataError", "IntegrityError", "NotSupportedError", "ProgrammingError"}
#: Errors of drivers about parameters, such as a missing one, or about the encoding of a value.
_PERMANENT_BUILTINS = (ArithmeticError, LookupError, TypeError, ValueError)
#: SQLite reports a syntax error or a missing table as OperationalError with this code (Python 3.11 or newer).
_SQLITE_ERROR = 1
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


def sql_error(event: str, remedy: str, error: Exception) -> EngageVoiceError:
    """Return the error to raise in place of a driver's.

    The driver's message is left out: databases put parameters and values of rows into it, and a DSN may
    contain the password.

    :param event: what failed; begins the message.
    :param remedy: what to do if a retry cannot help, as an imperative.
    :param error: the error of the driver.
    :return: an ``InvalidParameter`` if a retry cannot help, otherwise a ``TransientError``.
    """
    code = _error_code(error)
    message = f"{event}: {type(error).__name__}{f' ({code})' if code else ''}"
    hidden = "the database's message is not shown, because it may contain data"
    if _is_permanent(error):
        return InvalidParameter(f"{message}. {remedy}; {hidden}")
    return TransientError(f"{message}. If retries do not help, test the connection; {hidden}")


def _is_permanent(error: Exception) -> bool:
    names = {parent.__name__ for parent in type(error).__mro__}
    return (
        not names.isdisjoint(_PERMANENT_CLASSES)
        or isinstance(error, _PERMANENT_BUILTINS)
        or getattr(error, "sqlite_errorcode", None) == _SQLITE_ERROR
    )


def _error_code(error: Exception) -> str:
    """Return the SQLSTATE or the database's own code; an empty text if there is none."""
    # psycopg 3 and Snowflake, psycopg2, and pyodbc, whose first argument it is.
    first = error.args[0] if error.args else None
    for state in (getattr(error, "sqlstate", None), getattr(error, "pgcode", None), first):
        if isinstance(state, str) and _SQLSTATE.fullmatch(state):
            return f"SQLSTATE {state}"
    if name := getattr(error, "sqlite_errorname", None):
        return str(name)
    is_database_error = any(parent.__name__ == "DatabaseError" for parent in type(error).__mro__)
    # MySQL's number. That of another error, such as KeyError, may be a value.
    return f"code {first}" if is_database_error and isinstance(first, int) else ""
