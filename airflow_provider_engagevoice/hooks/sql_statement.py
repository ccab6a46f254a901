"""Check of SQL text: exactly one statement."""

from __future__ import annotations

from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter


def single_statement(sql: Any) -> str:
    """Return a SQL statement without its trailing semicolon, which some databases reject.

    Semicolons in literals, quoted names and comments do not count. A driver that was given two statements
    could execute both, and return the rows of one.

    :param sql: the statement.
    :return: the statement, without a trailing semicolon and the comments after it.
    :raises InvalidParameter: if it is not text, is empty, or has several statements; if the packages of the
        extra ``sql`` are not installed.
    """
    if not isinstance(sql, str):
        raise InvalidParameter(f"sql must be text, not a value of type {type(sql).__name__}")
    statement = _before_semicolon(sql) if ";" in sql else sql
    if not statement.strip():
        raise InvalidParameter("sql is empty")
    return statement


def missing_sql_extra() -> InvalidParameter:
    """Return the error of an installation without the packages of the extra ``sql``."""
    return InvalidParameter(
        'Leads from a database need more packages: pip install "airflow-provider-engagevoice[sql]"'
    )


def _before_semicolon(sql: str) -> str:
    try:
        from sqlparse import lexer, tokens
    except ImportError:
        raise missing_sql_extra() from None
    statement: list[str] = []
    is_complete = False
    # The lexer alone: the splitter of sqlparse does not split after BEGIN, which may be a name of a column.
    for kind, text in lexer.tokenize(sql):
        if kind is tokens.Punctuation and text == ";":
            is_complete = True
        elif not is_complete:
            statement.append(text)
        elif kind not in tokens.Whitespace and kind not in tokens.Comment:
            raise InvalidParameter("sql has several statements; keep the one that returns the leads")
    return "".join(statement)
