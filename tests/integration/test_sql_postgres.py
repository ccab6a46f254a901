"""Rows of queries on a real PostgreSQL server, with psycopg2 and psycopg 3.

Airflow's PostgresHook uses one of these drivers, depending on what is installed; for the other one the tests
replace it by a hook for that driver.
"""

from __future__ import annotations

import importlib
import json
import math
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from airflow_provider_engagevoice.hooks.sql_rows import SqlRows
from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, TransientError
from tests.support.postgres import postgres_server
from tests.support.processes import wait_for

HOOK = "airflow.providers.postgres.hooks.postgres"
DRIVERS = ["psycopg2", "psycopg"]
MANY = "SELECT id, lpad(id::text, 200, '0') AS filler FROM generate_series(1, 20500) AS id"


@dataclass
class Database:
    """The database of the Airflow connection ``crm``.

    :param admin: another connection to it, which commits each statement.
    """

    admin: Any

    def value(self, sql: str) -> Any:
        """Run a query that returns one value."""
        with self.admin.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    def sessions(self) -> list[tuple[int, str]]:
        """Return the process and the last statement of each session of the hook."""
        with self.admin.cursor() as cursor:
            cursor.execute("SELECT pid, query FROM pg_stat_activity WHERE application_name = 'crm'")
            return list(cursor.fetchall())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """URL of a PostgreSQL server with a table of two leads."""
    pytest.importorskip(HOOK)
    with postgres_server() as url:
        import psycopg2

        connection = psycopg2.connect(url)
        with connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE leads AS VALUES ('007'), ('secret-8')")
        connection.close()
        yield url


@pytest.fixture
def set_connection(server: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the Airflow connection ``crm``."""
    address = urlsplit(server)

    def set_connection(port: int | None = address.port, **extra: Any) -> None:
        fields = {"host": address.hostname, "port": port, "schema": address.path[1:]}
        user = {"login": address.username, "password": address.password}
        extra = {"application_name": "crm", **extra}
        connection = {"conn_type": "postgres", **fields, **user, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_CRM", json.dumps(connection))

    return set_connection


@pytest.fixture
def own_hook(server: str, set_connection: Callable[..., None]) -> Iterator[Database]:
    """The database, through Airflow's own hook and the driver that it chooses."""
    import psycopg2

    set_connection()
    admin = psycopg2.connect(server)
    admin.autocommit = True
    yield Database(admin)
    admin.close()


@pytest.fixture(params=DRIVERS)
def database(request: pytest.FixtureRequest, own_hook: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The database, through each driver."""
    hook_module = importlib.import_module(HOOK)
    if request.param != ("psycopg" if getattr(hook_module, "USE_PSYCOPG3", False) else "psycopg2"):
        monkeypatch.setattr(hook_module, "PostgresHook", hook_with(request.param))
    connection = hook_module.PostgresHook(postgres_conn_id="crm").get_conn()
    assert type(connection).__module__.partition(".")[0] == request.param
    connection.close()
    wait_for(lambda: not own_hook.sessions())
    return own_hook


def hook_with(driver: str, autocommit: bool = False) -> type:
    """Return Airflow's hook, but with a given driver."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    class DriverHook(PostgresHook):
        def get_conn(self) -> Any:
            found = self.get_connection(self.get_conn_id())
            address = {"host": found.host, "port": found.port, "dbname": found.schema}
            user = {"user": found.login, "password": found.password}
            connection = importlib.import_module(driver).connect(**address, **user, **found.extra_dejson)
            connection.autocommit = autocommit
            return connection

    return DriverHook


def read(sql: str, parameters: Any = None) -> list[dict[str, Any]]:
    return [dict(row) for _, row in SqlRows("crm", sql, parameters)]


def test_rows_are_fetched_in_batches_from_a_cursor_of_the_server(database: Database) -> None:
    """The client never has more than a batch, of the 20,500 rows with more than 5 MB."""
    rows = iter(SqlRows("crm", MANY))
    assert next(rows) == (1, {"id": 1, "filler": "1".zfill(200)})
    [(_, statement)] = database.sessions()
    assert statement.startswith("FETCH FORWARD 1000 FROM")
    tracemalloc.start()
    try:
        numbers = [number for number, row in rows if row["id"] == number]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert numbers == list(range(2, 20_501))
    assert peak < 3_000_000


def test_values_arrive_as_python_values(database: Database) -> None:
    [row] = read(
        """
        SELECT 1.10::numeric AS amount, '6f1c0000-0000-4000-8000-00000000000a'::uuid AS uid,
            NULL::text AS empty, '\\x00ff'::bytea AS photo, true AS active, date '2026-11-27' AS day,
            timestamp '2026-11-27 08:30' AS local, timestamptz '2026-11-27 08:30+00' AS instant,
            'NaN'::float8 AS score, 'NaN'::numeric AS decimal_score, '{"a": [1]}'::jsonb AS data,
            ARRAY[1, 2] AS numbers
        """
    )
    assert isinstance(row["amount"], Decimal)
    assert str(row["amount"]) == "1.10"
    # psycopg2 returns text.
    assert UUID(str(row["uid"])) == UUID("6f1c0000-0000-4000-8000-00000000000a")
    assert row["empty"] is None
    assert type(row["photo"]) is bytes
    assert row["photo"] == b"\0\xff"
    assert row["active"] is True
    assert row["day"] == date(2026, 11, 27)
    assert row["local"] == datetime(2026, 11, 27, 8, 30)
    assert row["instant"] == datetime(2026, 11, 27, 8, 30, tzinfo=timezone.utc)
    assert math.isnan(row["score"])
    assert isinstance(row["decimal_score"], Decimal)
    assert row["decimal_score"].is_nan()
    assert row["data"] == {"a": [1]}
    assert row["numbers"] == [1, 2]


def test_query_without_rows_yields_nothing(database: Database) -> None:
    assert read("SELECT 1 AS a WHERE false") == []


@pytest.mark.parametrize("condition", ["", "WHERE false"])
def test_duplicate_column_is_refused_with_and_without_rows(database: Database, condition: str) -> None:
    with pytest.raises(InvalidParameter, match="sql: columns 1 and 2 of 2 have the same name"):
        read(f"SELECT 1 AS a, 2 AS a {condition}")


@pytest.mark.parametrize("parameters", [None, {}, []])
def test_semicolons_and_percent_signs_in_literals_are_kept(database: Database, parameters: Any) -> None:
    rows = read("SELECT 'a;b' AS v, '50%s' AS w; -- it's one;", parameters)
    assert rows == [{"v": "a;b", "w": "50%s"}]


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("SELECT %(n)s::int + 1 AS n, '5%%' AS w", {"n": 6}),
        ("SELECT %s::int + 1 AS n, '5%%' AS w", [6]),
        ("SELECT %s::int + 1 AS n, '5%%' AS w", (6,)),
    ],
)
def test_parameters_may_be_a_mapping_or_a_sequence(database: Database, sql: str, parameters: Any) -> None:
    assert read(sql, parameters) == [{"n": 7, "w": "5%"}]


@pytest.mark.parametrize(
    "sql", ["UPDATE leads SET column1 = 'x'", "UPDATE leads SET column1 = 'x' RETURNING *"]
)
def test_statement_that_changes_data_is_refused_and_not_applied(database: Database, sql: str) -> None:
    with pytest.raises(InvalidParameter, match="sql, which must be a query such as SELECT"):
        read(sql)
    assert database.value("SELECT count(*) FROM leads WHERE column1 = 'x'") == 0


@pytest.mark.parametrize(
    ("sql", "parameters", "state"),
    [
        ("SELECT 'secret' AS v FROM WHERE", None, "42601"),
        ("SELECT 'secret' AS v FROM nowhere WHERE a = %s", ["secret"], "42P01"),
        ("SELECT %(v)s::text::int AS v", {"v": "secret"}, "22P02"),
        ("SELECT substr(column1, 1, 9)::int AS v FROM leads", None, "22P02"),
        ("SELECT %(missing)s AS v", {"v": "secret"}, None),
        ("SELECT %s AS v", ["secret", "secret"], None),
    ],
)
def test_wrong_query_is_a_permanent_error_without_data(
    database: Database, logged: Callable[[], str], sql: str, parameters: Any, state: str | None
) -> None:
    with pytest.raises(InvalidParameter, match="The query of connection 'crm' failed") as caught:
        read(sql, parameters)
    error = caught.value
    assert state is None or f"(SQLSTATE {state})" in str(error)
    assert "secret" not in f"{error}{logged()}"
    assert error.__cause__ is None
    assert error.__context__ is None
    wait_for(lambda: not database.sessions())


def test_connection_lost_between_rows_is_a_transient_error_without_data(
    database: Database, logged: Callable[[], str]
) -> None:
    rows = iter(
        SqlRows("crm", f"SELECT id, 'secret' AS v FROM ({MANY}) AS many WHERE 'secret' = %s", ["secret"])
    )
    numbers = [next(rows)[0]]
    [(process, _)] = database.sessions()
    assert database.value(f"SELECT pg_terminate_backend({process}, 5000)")
    with pytest.raises(TransientError, match="The query of connection 'crm' failed after row 1000") as caught:
        numbers.extend(number for number, _ in rows)
    assert numbers == list(range(1, 1001))
    assert "secret" not in f"{caught.value}{logged()}"
    assert caught.value.__context__ is None


def test_server_that_cannot_be_reached_is_a_transient_error(
    database: Database, set_connection: Callable[..., None]
) -> None:
    set_connection(port=1)
    with pytest.raises(TransientError, match="Cannot connect to the database of connection 'crm'"):
        read("SELECT 1 AS a")


def test_consumer_that_stops_early_leaves_no_session(database: Database) -> None:
    rows = iter(SqlRows("crm", MANY))
    next(rows)
    assert len(database.sessions()) == 1
    rows.close()  # type: ignore[attr-defined]
    wait_for(lambda: not database.sessions(), 5)


def test_consumer_that_fails_leaves_no_session(database: Database) -> None:
    held = []

    def consume() -> None:
        for row in SqlRows("crm", MANY):
            held.append(row)
            raise RuntimeError("the consumer failed")

    with pytest.raises(RuntimeError, match="the consumer failed"):
        consume()
    assert len(held) == 1
    wait_for(lambda: not database.sessions(), 5)


@pytest.mark.parametrize("driver", DRIVERS)
def test_connection_with_autocommit_streams_as_well(
    own_hook: Database, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.setattr(f"{HOOK}.PostgresHook", hook_with(driver, autocommit=True))
    assert len(read(MANY)) == 20_500


def test_cursor_of_the_connection_may_return_mappings(
    own_hook: Database, set_connection: Callable[..., None]
) -> None:
    set_connection(cursor="dictcursor")
    assert read("SELECT 1 AS a, 2 AS b") == [{"a": 1, "b": 2}]
