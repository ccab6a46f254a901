"""Dial groups, campaigns, agent groups, agents: how such an object is read, kept and written.

A request brings the whole object: what it leaves out gets its default. Fields without a column are kept
as JSON and given back, unknown ones too (assumed).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.sandbox.http.endpoint import Call
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, Refusal, read_or_refuse, refused_values
from airflow_provider_engagevoice.sandbox.http.parsing import read_boolean, read_integer
from airflow_provider_engagevoice.sandbox.state.sandbox import Service

Row = dict[str, Any]
Reader = Callable[[object], object]

DEEPEST = 100
"""How many levels of JSON inside each other are kept. Assumed."""

_LARGEST_ID = 2**31 - 1
_ALL_PERMISSIONS = ("CREATE", "READ", "UPDATE", "DELETE", "REPORT")


def _same(value: object) -> object:
    """Write a value as it is kept."""
    return value


@dataclass(frozen=True)
class Field:
    """One field of an object.

    :param name: its name, and that of its column.
    :param read: reads it from a request, or raises ValueError.
    :param default: what it is where a request leaves it out, as it is kept.
    :param column: it has a column of its own.
    :param needed: a request without it is 400.
    :param write: turns what the column holds into JSON.
    """

    name: str
    read: Reader
    default: object = None
    column: bool = False
    needed: bool = False
    write: Callable[[Any], object] = _same


def fields(read: Reader, names: str) -> Iterator[Field]:
    """Make fields of one kind that have neither a column nor a default.

    :param read: reads them.
    :param names: their names, with blanks between.
    """
    return (Field(name, read) for name in names.split())


def defaulted(read: Reader, defaults: Mapping[str, object]) -> Iterator[Field]:
    """Make fields of one kind that have a default, and no column."""
    return (Field(name, read, default) for name, default in defaults.items())


@dataclass(frozen=True)
class Kind:
    """One kind of object.

    :param table: its table.
    :param key: name of its id.
    :param fields: its fields, except the id.
    :param owned: what only the sandbox itself writes; requests may hold it, and it is ignored.
    """

    table: str
    key: str
    fields: tuple[Field, ...]
    owned: frozenset[str]

    def read(self, body: Mapping[str, object]) -> Row:
        """Read an object of a request.

        :param body: the untrusted object.
        :return: what to keep, by column.
        :raises Refusal: with status 400, naming every bad value.
        """
        columns: Row = {}
        more = {name: value for name, value in body.items() if name not in self._known()}
        invalid = []
        for field in self.fields:
            kept = columns if field.column else more
            value = body.get(field.name)
            if value is None or (field.needed and not str(value).strip()):
                if field.needed:
                    invalid.append(Invalid(field.name, "is missing"))
                if field.column:
                    kept[field.name] = field.default
                continue
            try:
                kept[field.name] = field.read(value)
            except ValueError as error:
                invalid.append(Invalid.of(field.name, error, value))
        if invalid:
            raise refused_values(invalid)
        if is_deeper(more, DEEPEST):
            raise Refusal(400, f"The request body is nested more than {DEEPEST} levels deep")
        return {**columns, "more": json.dumps(more)}

    def write(self, record: sqlite3.Row) -> Row:
        """Write an object that has been read from its table."""
        plain: Row = {
            field.name: field.default
            for field in self.fields
            if not field.column and field.default is not None
        }
        own = {field.name: field.write(record[field.name]) for field in self.fields if field.column}
        return {self.key: record[self.key], **own, **plain, **json.loads(record["more"])}

    def insert(self, connection: sqlite3.Connection, values: Row) -> int:
        """Add an object; return its new id."""
        names = ", ".join(values)
        marks = ", ".join("?" * len(values))
        statement = f"INSERT INTO {self.table} ({names}) VALUES ({marks})"
        return int(connection.execute(statement, tuple(values.values())).lastrowid or 0)

    def replace(self, connection: sqlite3.Connection, key: int, values: Row) -> None:
        """Write all values of an object anew."""
        assignments = ", ".join(f"{name} = ?" for name in values)
        statement = f"UPDATE {self.table} SET {assignments} WHERE {self.key} = ?"
        connection.execute(statement, (*values.values(), key))

    def _known(self) -> frozenset[str]:
        """Return the names that are not kept as they come."""
        return self.owned | {self.key, "more"} | {field.name for field in self.fields}


def read_objects(call: Call) -> list[dict[str, object]]:
    """Read the body, which must be a list of objects.

    :raises Refusal: with status 400, where it is none.
    """
    value = call.json()
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Refusal(400, "The request body must be a list of objects")
    return value


def select(
    service: Service, write: Callable[[sqlite3.Row], Row], statement: str, *values: object
) -> list[Row]:
    """Read records and write each of them."""
    with service.store.reading() as connection:
        return [write(record) for record in connection.execute(statement, values)]


def only(found: list[Row]) -> Row:
    """Return the first record, or refuse with 404 where there is none."""
    if not found:
        raise Refusal(404)
    return found[0]


def id_in_path(call: Call, name: str) -> int:
    """Read an id of the path; a text that is no id is as unknown as a wrong id (assumed)."""
    try:
        return read_integer(call.captured[name])
    except ValueError as error:
        raise Refusal(404) from error


def flag_in_query(call: Call, name: str) -> bool:
    """Read a switch of the query; missing is false.

    :raises Refusal: with status 400, where it is neither true nor false.
    """
    text = call.query.get(name, "")
    return read_or_refuse(name, text, read_boolean) if text else False


def permissions(call: Call) -> list[str]:
    """Return what the user may do, where the query has ``includePermissions=true``: all (assumed)."""
    return list(_ALL_PERMISSIONS) if flag_in_query(call, "includePermissions") else []


def read_flag(value: object) -> int:
    """Read true or false, the way a column keeps it."""
    return int(read_boolean(value))


def read_count(value: object) -> int:
    """Read a whole number of at most 32 bits. Source: contract."""
    number = read_integer(value)
    if not -_LARGEST_ID - 1 <= number <= _LARGEST_ID:
        raise ValueError("is out of range")
    return number


def read_nested(value: object) -> object:
    """Read a collection: the contract says object of all of them, the guide shows lists of objects."""
    if not all(isinstance(entry, dict) for entry in (value if isinstance(value, list) else [value])):
        raise ValueError("must be an object or a list of objects")
    return value


def is_deeper(value: object, levels: int) -> bool:
    """Tell whether a JSON value is nested deeper than so many levels."""
    waiting = [(value, 1)]
    while waiting:
        part, level = waiting.pop()
        if isinstance(part, (dict, list)):
            if level > levels:
                return True
            inside = part.values() if isinstance(part, dict) else part
            waiting += [(each, level + 1) for each in inside]
    return False
