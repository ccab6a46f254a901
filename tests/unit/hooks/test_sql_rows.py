"""Rows of SQL queries on SQLite, through Airflow's own hook, and the choice of the cursor."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from airflow_provider_engagevoice.hooks.sql_rows import SqlRows, _streaming_cursor
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, TransientError

MANY = """
    WITH RECURSIVE numbers(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM numbers WHERE id < 50000)
    SELECT id, printf('%0200d', id) AS filler FROM numbers
"""


@pytest.fixture
def crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SQLite database with a table of leads, and the Airflow connection ``crm`` to it."""
    pytest.importorskip("airflow.providers.sqlite")
    path = tmp_path / "crm.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE leads (id TEXT, score REAL, photo BLOB)")
        database.executemany("INSERT INTO leads VALUES (?, ?, ?)", [("007", 1.5, b"\0"), ("8", None, None)])
    database.close()
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return path


def read(sql: str, parameters: Any = None) -> list[tuple[int, Any]]:
    return list(SqlRows("crm", sql, parameters))


@pytest.fixture
def opened(crm: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[sqlite3.Connection]]:
    """All connections that the hook opens; each is closed after the test."""
    connections: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def recording(*args: Any, **options: Any) -> sqlite3.Connection:
        connections.append(connect(*args, **options))
        return connections[-1]

    monkeypatch.setattr(sqlite3, "connect", recording)
    yield connections
    for connection in connections:
        connection.close()


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_rows_are_numbered_dicts_by_column_name(crm: Path) -> None:
    rows = SqlRows("crm", "SELECT id, score, photo AS Photo FROM leads ORDER BY id")
    expected = [
        (1, {"id": "007", "score": 1.5, "Photo": b"\0"}),
        (2, {"id": "8", "score": None, "Photo": None}),
    ]
    assert list(rows) == expected
    assert list(rows) == expected
    assert rows.unit == "row"


@pytest.mark.parametrize(
    ("condition", "parameters"),
    [("id = :id", {"id": "007"}), ("id = ?", ["007"]), ("id = ?", ("007",)), ("id LIKE '%7'", {})],
)
def test_parameters_may_be_a_mapping_or_a_sequence(crm: Path, condition: str, parameters: Any) -> None:
    assert read(f"SELECT id FROM leads WHERE {condition}", parameters) == [(1, {"id": "007"})]


def test_query_without_rows_yields_nothing(crm: Path) -> None:
    assert read("SELECT id FROM leads WHERE 1 = 0") == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'a;b' AS v;",
        "SELECT 'a;b' AS v -- it's; one\n;;",
        "SELECT 'a;b' AS v; -- it's one; really\n /* ; */",
        "/* it's; */ SELECT 'a;b' AS v",
        """SELECT 'a;b' AS "v" FROM (SELECT 1 AS "x;y")""",
    ],
)
def test_semicolon_that_separates_no_statements_is_accepted(crm: Path, sql: str) -> None:
    assert read(sql) == [(1, {"v": "a;b"})]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a; SELECT 2 AS a",
        "SELECT ';' AS a; DELETE FROM leads",
        "-- it's\nSELECT 1 AS a;\n-- more\nDELETE FROM leads;",
        "SELECT begin FROM leads; DELETE FROM leads",
    ],
)
def test_several_statements_are_refused_before_any_is_run(crm: Path, sql: str) -> None:
    with pytest.raises(InvalidParameter, match="sql has several statements"):
        SqlRows("crm", sql)


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT id, score AS id FROM leads",
            "sql: columns 1 and 2 of 2 have the same name; rename or remove one",
        ),
        ('SELECT id, score AS "" FROM leads', "sql: column 2 of 2 has no name"),
        ("SELECT id, score AS id FROM leads WHERE 1 = 0", "sql: columns 1 and 2 of 2 have the same name"),
    ],
)
def test_duplicate_or_empty_column_name_is_refused(crm: Path, sql: str, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        read(sql)


def test_statement_without_result_is_refused_and_rolled_back(crm: Path) -> None:
    with pytest.raises(InvalidParameter, match="sql returned no columns; it must be a query"):
        read("UPDATE leads SET id = 'x'")
    assert [row["id"] for _, row in read("SELECT id FROM leads ORDER BY id")] == ["007", "8"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", "SELECT 1"), "sql_conn_id must be the id of a connection, not ''"),
        ((None, "SELECT 1"), "sql_conn_id must be the id of a connection, not None"),
        (("crm", " ;\n-- x"), "sql is empty"),
        (("crm", ["SELECT 1"]), "sql must be text, not a value of type list"),
        (("crm", "SELECT 1", "secret"), "parameters must be a dict or a list, not a value of type str"),
        (("crm", "SELECT 1", 7), "parameters must be a dict or a list, not a value of type int"),
    ],
)
def test_invalid_argument_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(InvalidParameter, match=message) as caught:
        SqlRows(*arguments)
    assert "secret" not in str(caught.value)


def test_repr_shows_no_sql_and_no_parameters() -> None:
    assert repr(SqlRows("crm", "SELECT 'secret'", ["secret"])) == "SqlRows(sql_conn_id='crm')"


@pytest.mark.parametrize(
    ("sql", "parameters", "name"),
    [
        ("SELECT id FROM leads WHERE id = ?", ["secret", "secret"], "ProgrammingError"),
        ("SELECT id FROM leads WHERE id = ?", [2**70], "OverflowError"),
        pytest.param(
            "SELECT 'secret' FROM secret",
            None,
            r"OperationalError \(SQLITE_ERROR\)",
            marks=pytest.mark.skipif(sys.version_info < (3, 11), reason="sqlite3 reports no codes"),
        ),
    ],
)
def test_wrong_query_is_a_permanent_error_without_data(
    crm: Path, sql: str, parameters: Any, name: str
) -> None:
    with pytest.raises(InvalidParameter, match=f"query of connection 'crm' failed: {name}") as caught:
        read(sql, parameters)
    error = caught.value
    assert "secret" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_locked_database_is_a_transient_error(crm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(crm, timeout=0))
    other = connect(crm, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TransientError, match="failed: OperationalError"):
            read("SELECT id FROM leads")
    finally:
        other.close()


def test_database_that_cannot_be_opened_is_a_transient_error(
    tmp_path: Path, crm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = str(tmp_path / "missing" / "crm.db")
    monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps({"conn_type": "sqlite", "host": host}))
    with pytest.raises(TransientError, match="Cannot connect to the database of connection 'crm'"):
        read("SELECT 1 AS a")


def test_connection_is_closed_when_all_rows_are_read(opened: list[sqlite3.Connection]) -> None:
    read("SELECT id FROM leads")
    assert [is_closed(connection) for connection in opened] == [True]


def test_connection_is_closed_if_the_consumer_stops_early(opened: list[sqlite3.Connection]) -> None:
    rows = iter(SqlRows("crm", "SELECT id FROM leads"))
    assert next(rows)[0] == 1
    assert [is_closed(connection) for connection in opened] == [False]
    rows.close()  # type: ignore[attr-defined]
    assert [is_closed(connection) for connection in opened] == [True]


def test_connection_is_closed_if_the_query_fails(opened: list[sqlite3.Connection]) -> None:
    with pytest.raises(InvalidParameter):
        read("UPDATE leads SET id = 'x'")
    assert [is_closed(connection) for connection in opened] == [True]


def test_failing_close_does_not_hide_the_error_of_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a driver whose connection was lost, so that its cursor cannot be closed either."""
    closed = []

    class InterfaceError(Exception):
        """The class of PEP 249."""

    class Cursor:
        def execute(self, sql: str) -> None:
            raise TimeoutError("secret")

        def close(self) -> None:
            closed.append("cursor")
            raise InterfaceError("secret")

    connection = SimpleNamespace(cursor=Cursor, close=lambda: closed.append("connection"))
    hook = SimpleNamespace(get_conn=lambda: connection)
    monkeypatch.setattr("airflow_provider_engagevoice.hooks.sql_rows._database_hook", lambda conn_id: hook)
    with pytest.raises(TransientError, match=r"failed: TimeoutError\. If retries do not help"):
        read("SELECT 1")
    assert closed == ["cursor", "connection"]


def test_memory_does_not_grow_with_the_rows(crm: Path) -> None:
    """50,000 rows of 200 characters are more than 12 MB."""
    read("SELECT 1 AS a")
    tracemalloc.start()
    try:
        count = sum(1 for _ in SqlRows("crm", MANY))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 50_000
    assert peak < 2_000_000


def test_connection_to_another_kind_of_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WEB", "engagevoice://")
    with pytest.raises(InvalidParameter, match="'web' has the type 'engagevoice', whose EngageVoiceHook"):
        list(SqlRows("web", "SELECT 1"))


def test_connection_without_provider_package_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WEB", "unheard://")
    with pytest.raises(InvalidParameter, match="provider package for connections of type 'unheard'"):
        list(SqlRows("web", "SELECT 1"))


def test_missing_connection_is_refused(airflow_db: Path) -> None:
    with pytest.raises(InvalidParameter, match="Create the connection 'missing'"):
        list(SqlRows("missing", "SELECT 1"))


MISSING_PACKAGES = """
import sys
sys.modules.update({"airflow.providers.common.sql.hooks": None, "sqlparse": None})
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.hooks.sql_rows import SqlRows
for run in (lambda: SqlRows("crm", "SELECT 1;"), lambda: list(SqlRows("crm", "SELECT 1"))):
    try:
        run()
    except InvalidParameter as error:
        print(error)
"""


def test_missing_packages_are_named_when_they_are_needed() -> None:
    done = subprocess.run([sys.executable, "-c", MISSING_PACKAGES], capture_output=True, text=True)
    assert done.stdout.count('pip install "airflow-provider-engagevoice[sql]"') == 2, done.stderr


@pytest.mark.parametrize("driver", ["MySQLdb", "pymysql"])
def test_mysql_cursor_leaves_the_rows_on_the_server(driver: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks only the choice of the cursor, with a stand-in for the driver, as no MySQL server is needed."""
    cursors = ModuleType(f"{driver}.cursors")
    cursors.SSCursor = type("SSCursor", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, driver, ModuleType(driver))
    monkeypatch.setitem(sys.modules, f"{driver}.cursors", cursors)

    class Base:
        __module__ = f"{driver}.connections"

        def cursor(self, cursor_class: type) -> Any:
            return cursor_class()

    class Connection(Base):
        """Some hooks return a subclass of the driver's connection."""

    assert type(_streaming_cursor(Connection())) is cursors.SSCursor


def test_cursor_of_another_driver_is_its_usual_one() -> None:
    connection = SimpleNamespace(cursor=lambda: "cursor")
    assert _streaming_cursor(connection) == "cursor"
