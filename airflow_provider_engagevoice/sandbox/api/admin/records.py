"""Parsing, storage and serialization of dial groups, campaigns, agent groups and agents.

A request holds the whole object: missing fields get their defaults. Fields without a column are stored as
JSON and returned, including unknown ones (assumed).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.sandbox.http.errors import (
    ApiError,
    InvalidValue,
    parse_field,
    validation_error,
)
from airflow_provider_engagevoice.sandbox.http.parsing import parse_boolean, parse_integer
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState

Row = dict[str, Any]
Parser = Callable[[object], object]

MAX_JSON_DEPTH = 100
"""Maximum nesting depth of stored JSON. Assumed."""

_LARGEST_ID = 2**31 - 1
_ALL_PERMISSIONS = ("CREATE", "READ", "UPDATE", "DELETE", "REPORT")


def _unchanged(value: object) -> object:
    """Return a stored value unchanged."""
    return value


@dataclass(frozen=True)
class Field:
    """One field of an object.

    :param name: name of the field and of its column.
    :param parse: parses the value of a request; raises ValueError if it is not valid.
    :param default: the stored value if a request leaves the field out.
    :param column: whether the field has its own column.
    :param required: whether a request without the field is rejected with 400.
    :param serialize: converts the stored value to JSON.
    """

    name: str
    parse: Parser
    default: object = None
    column: bool = False
    required: bool = False
    serialize: Callable[[Any], object] = _unchanged


def fields(parse: Parser, names: str) -> Iterator[Field]:
    """Return fields of one type that have neither a column nor a default.

    :param parse: parses their values.
    :param names: their names, separated by spaces.
    """
    return (Field(name, parse) for name in names.split())


def fields_with_defaults(parse: Parser, defaults: Mapping[str, object]) -> Iterator[Field]:
    """Return fields of one type that have a default and no column."""
    return (Field(name, parse, default) for name, default in defaults.items())


@dataclass(frozen=True)
class ResourceType:
    """A type of object.

    :param table: its database table.
    :param key: name of its id field.
    :param fields: its fields, except the id.
    :param read_only: fields that only the sandbox writes; accepted in requests and ignored.
    """

    table: str
    key: str
    fields: tuple[Field, ...]
    read_only: frozenset[str]

    def parse(self, body: Mapping[str, object]) -> Row:
        """Parse an object of a request.

        :param body: the untrusted object.
        :return: the values to store, by column.
        :raises ApiError: with status 400, naming every invalid value.
        """
        columns: Row = {}
        more = {name: value for name, value in body.items() if name not in self._known_names()}
        invalid = []
        for field in self.fields:
            target = columns if field.column else more
            value = body.get(field.name)
            if value is None or (field.required and not str(value).strip()):
                if field.required:
                    invalid.append(InvalidValue(field.name, "is missing"))
                if field.column:
                    target[field.name] = field.default
                continue
            try:
                target[field.name] = field.parse(value)
            except ValueError as error:
                invalid.append(InvalidValue.of(field.name, error, value))
        if invalid:
            raise validation_error(invalid)
        if exceeds_depth(more, MAX_JSON_DEPTH):
            raise ApiError(400, f"The request body is nested more than {MAX_JSON_DEPTH} levels deep")
        return {**columns, "more": json.dumps(more)}

    def serialize(self, record: sqlite3.Row) -> Row:
        """Serialize an object from its database record."""
        defaults: Row = {
            field.name: field.default
            for field in self.fields
            if not field.column and field.default is not None
        }
        columns = {field.name: field.serialize(record[field.name]) for field in self.fields if field.column}
        return {self.key: record[self.key], **columns, **defaults, **json.loads(record["more"])}

    def insert(self, connection: sqlite3.Connection, values: Row) -> int:
        """Insert an object; return its new id."""
        names = ", ".join(values)
        placeholders = ", ".join("?" * len(values))
        statement = f"INSERT INTO {self.table} ({names}) VALUES ({placeholders})"
        return int(connection.execute(statement, tuple(values.values())).lastrowid or 0)

    def replace(self, connection: sqlite3.Connection, key: int, values: Row) -> None:
        """Overwrite all values of an object."""
        assignments = ", ".join(f"{name} = ?" for name in values)
        statement = f"UPDATE {self.table} SET {assignments} WHERE {self.key} = ?"
        connection.execute(statement, (*values.values(), key))

    def _known_names(self) -> frozenset[str]:
        """Return the names that are not stored unchanged in ``more``."""
        return self.read_only | {self.key, "more"} | {field.name for field in self.fields}


def parse_objects(request: ApiRequest) -> list[dict[str, object]]:
    """Parse the body, which must be a list of objects.

    :raises ApiError: with status 400, if it is not.
    """
    value = request.json()
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ApiError(400, "The request body must be a list of objects")
    return value


def select(
    sandbox: SandboxState, serialize: Callable[[sqlite3.Row], Row], statement: str, *values: object
) -> list[Row]:
    """Return the serialized records of a query."""
    with sandbox.store.reading() as connection:
        return [serialize(record) for record in connection.execute(statement, values)]


def first_or_404(found: list[Row]) -> Row:
    """Return the first record; raise 404 if there is none."""
    if not found:
        raise ApiError(404)
    return found[0]


def path_id(request: ApiRequest, name: str) -> int:
    """Parse an id in the path; raise 404 if it is not a number (assumed)."""
    try:
        return parse_integer(request.path_params[name])
    except ValueError as error:
        raise ApiError(404) from error


def query_flag(request: ApiRequest, name: str) -> bool:
    """Parse a boolean query parameter; missing means false.

    :raises ApiError: with status 400, if it is neither true nor false.
    """
    text = request.query.get(name, "")
    return parse_field(name, text, parse_boolean) if text else False


def permissions(request: ApiRequest) -> list[str]:
    """Return all permissions (assumed) if the query has ``includePermissions=true``, else an empty list."""
    return list(_ALL_PERMISSIONS) if query_flag(request, "includePermissions") else []


def parse_flag(value: object) -> int:
    """Parse a boolean into the 0 or 1 that its column stores."""
    return int(parse_boolean(value))


def parse_int32(value: object) -> int:
    """Parse a signed 32-bit integer. Source: contract."""
    number = parse_integer(value)
    if not -_LARGEST_ID - 1 <= number <= _LARGEST_ID:
        raise ValueError("is out of range")
    return number


def parse_collection(value: object) -> object:
    """Parse a collection: an object in the contract, a list of objects in the guide."""
    if not all(isinstance(entry, dict) for entry in (value if isinstance(value, list) else [value])):
        raise ValueError("must be an object or a list of objects")
    return value


def exceeds_depth(value: object, levels: int) -> bool:
    """Return whether a JSON value is nested deeper than ``levels``."""
    stack = [(value, 1)]
    while stack:
        node, level = stack.pop()
        if isinstance(node, (dict, list)):
            if level > levels:
                return True
            children = node.values() if isinstance(node, dict) else node
            stack += [(child, level + 1) for child in children]
    return False
