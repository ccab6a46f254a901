"""Published OpenAPI contract: location, known conflicts with RingCX, and validation against it."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import best_match

Json = dict[str, Any]

VARIABLE = "ENGAGEVOICE_OPENAPI"
_DEFAULT_PATH = Path(__file__).parents[4] / "shared" / "ringcx" / "openapi-leads.json"

MISSING = (
    f"contract not found: set {VARIABLE} to the lead-management subset of RingCentral's OpenAPI document,"
    " or put it at ../shared/ringcx/openapi-leads.json next to the repository"
)

_METHODS = ("get", "post", "put", "patch", "delete")
_LEADS = "/voice/api/v1/admin/accounts/{accountId}/campaignLeads"

#: Statuses that every operation may return although none declares them.
UNDECLARED = {
    400: "invalid data; source: guide, and the contract's integration paths",
    405: "method not allowed",
    413: "body over 10 MB; assumed",
    429: "rate limit exceeded; source: guide",
}

_DATETIME = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}\+0000$"


def find_contract() -> Path | None:
    """Return the path of the contract; None if it is not available.

    :raises FileNotFoundError: if the environment variable names a missing file.
    """
    if os.environ.get(VARIABLE):
        path = Path(os.environ[VARIABLE])
        if not path.is_file():
            raise FileNotFoundError(f"{VARIABLE} names {path}, which does not exist")
        return path
    return _DEFAULT_PATH if _DEFAULT_PATH.is_file() else None


@dataclass(frozen=True)
class Conflict:
    """A known difference between the published document and RingCX.

    :param name: its name in tests.
    :param reason: evidence for it.
    :param fix: corrects the document.
    """

    name: str
    reason: str
    fix: Callable[[Json], object]


def _schemas(document: Json) -> Json:
    found: Json = document["components"]["schemas"]
    return found


def _dates(document: Json) -> None:
    for name in ("DateTime", "Timestamp"):
        _schemas(document)[name] = {"type": "string", "pattern": _DATETIME}


def _collections(document: Json) -> None:
    schemas = _schemas(document)
    for name in [name for name in schemas if name.startswith("Collection")]:
        item = name.removeprefix("Collection")
        items = {"$ref": f"#/components/schemas/{item}"} if item in schemas else _ANY
        # Requests may send an object, as declared in the document.
        schemas[name] = {"type": ["array", "object"], "items": items}


def _search_response(document: Json) -> None:
    row = {"$ref": "#/components/schemas/CampaignLeadSearchResultsView"}
    content = document["paths"][f"{_LEADS}/leadSearch"]["post"]["responses"]["200"]["content"]
    content["application/json"]["schema"] = {
        "anyOf": [{"type": "array", "items": row}, {"type": "integer", "minimum": 0}]
    }


def _compared_number(document: Json) -> None:
    _schemas(document)["ComparableSearchField"]["properties"]["value"] = {"type": "number"}


def _nulls(document: Json) -> None:
    for owner, names in {
        "Agent": ["rcUserId"],
        "AgentV2": ["agentGroupId"],
        "CampaignLeadSearchResultsView": [
            "dupeKeyOverride",
            "speedToLeadAgentConn",
            "speedToLeadFirstPass",
        ],
        "CampaignLead": ["dupeKeyOverride"],
        "CampaignRedial": ["agentId"],
    }.items():
        for name in names:
            _schemas(document)[owner]["properties"][name]["nullable"] = True


def _short_dial_group(document: Json) -> None:
    _schemas(document)["Campaign"]["properties"]["dialGroup"] = {
        "type": "object",
        "properties": {"id": {"type": "integer"}, "description": {"type": "string"}},
    }


def _integration_agents(document: Json) -> None:
    path = "/voice/api/integration/v1/admin/accounts/{subAccountId}/agentGroups/{agentGroupId}/agents"
    content = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
    integer, text = {"type": "integer"}, {"type": "string"}
    ids = {"type": "array", "items": integer}
    more = {
        "agentGroupId": integer,
        "engageUserName": text,
        "envID": text,
        "superviseeAgentIds": ids,
        "supervisorAgentIds": ids,
        "userName": text,
    }
    agent = _schemas(document)["Agent"]
    items = {**agent, "properties": {**agent["properties"], **more}}
    content["schema"] = {"type": "array", "items": items}


def _not_found(document: Json) -> None:
    for path, method in _operations(document):
        document["paths"][path][method]["responses"].setdefault("404", {"description": ""})


def _error_code(document: Json) -> None:
    _schemas(document)["Errors"]["properties"]["errorCode"] = {"type": "string"}


#: All known conflicts. Any other difference is an error of the sandbox.
CONFLICTS = (
    Conflict(
        "dates", "strings in every sample; the document declares the server's internal date classes", _dates
    ),
    Conflict("collections", "arrays in the guide's samples; the document declares objects", _collections),
    Conflict("search response", "programs receive an array, and a number with count=true", _search_response),
    Conflict("compared number", "the guide's samples compare passes with a number", _compared_number),
    Conflict(
        "nulls",
        "the guide's samples have null for unknown values; the document declares no nullable fields",
        _nulls,
    ),
    Conflict("short dial group", "a campaign's dialGroup has id and description (guide)", _short_dial_group),
    Conflict(
        "integration agents", "the document's example has fields that are not declared", _integration_agents
    ),
    Conflict("not found", "404 for an unknown id; DELETE and PATCH do not declare it", _not_found),
    Conflict("error code", "a 403 has an errorCode (guide)", _error_code),
)


def read_contract(path: Path, conflicts: tuple[Conflict, ...] = CONFLICTS) -> Json:
    """Return the contract, corrected.

    :param path: the document.
    :param conflicts: the conflicts to fix.
    :return: the document.
    """
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    for conflict in conflicts:
        conflict.fix(document)
    return document


#: Schemas of nested objects that the sandbox parses.
_READ_DEEPLY = {
    "CampaignLead",
    "CampaignLeadSearchCriteria",
    "ComparableSearchField",
    "DateTimeComparableSearchField",
    "LeadActionParams",
    "Timezone",
}


def shallow(document: Json) -> Json:
    """Return a copy without nested objects that the sandbox stores unparsed: generating them takes minutes.

    :param document: the document; not modified.
    :return: the smaller document, for generating requests.
    """
    smaller = copy.deepcopy(document)
    for schema in _schemas(smaller).values():
        for name, part in schema.get("properties", {}).items():
            schema["properties"][name] = _cut(part)
    return smaller


_ANY: Json = {"type": "object"}


def _cut(part: Json) -> Json:
    """Replace the schema of a large object by that of any object."""
    if "items" in part:
        return {**part, "items": _cut(part["items"])}
    name = part.get("$ref", "").rpartition("/")[2]
    is_small = not name or name in _READ_DEEPLY or name in ("DateTime", "Timestamp")
    if is_small:
        return part
    return {"type": "array", "items": _ANY} if name.startswith("Collection") else _ANY


def _operations(document: Json) -> Iterator[tuple[str, str]]:
    """Yield the path and method of each operation."""
    for path, item in document["paths"].items():
        for method in item:
            if method in _METHODS:
                yield path, method


class Contract:
    """Validates responses and request bodies against the corrected document.

    :param document: the document.
    """

    def __init__(self, document: Json) -> None:
        self.document = document
        self._validator = cache(self._make_validator)
        self._open = _prepared(_schemas(document), closed=False)
        self._closed = _prepared(_schemas(document), closed=True)

    def problems(self, label: str, response: CapturedResponse, *, closed: bool = False) -> list[str]:
        """Return the errors in a response.

        :param label: the operation, as ``GET /path``.
        :param response: the response.
        :param closed: whether an undeclared field is an error as well.
        :return: the errors.
        """
        method, path = label.split(" ")
        declared = self.document["paths"][path][method.lower()]["responses"]
        status = response.status
        if status >= 500 or not (str(status) in declared or status in UNDECLARED):
            return [f"status {status} is not declared"]
        if status in (400, 403, 404, 405, 413):
            schema: Json = {"$ref": "#/components/schemas/Errors"}
            return self._against(schema, "application/json", response, closed)
        if status in (401, 429):
            return (
                []
                if response.kind == "text/plain"
                else [f"{status} has media type {response.kind}, not text/plain"]
            )
        found = []
        for kind, content in declared[str(status)].get("content", {}).items():
            found = self._against(content["schema"], kind, response, closed)
        return found

    def body_problems(self, label: str, body: object) -> list[str]:
        """Return the errors in the JSON body of a request."""
        method, path = label.split(" ")
        content = self.document["paths"][path][method.lower()]["requestBody"]["content"]
        return self._errors(content["application/json"]["schema"], body, closed=True)

    def _against(self, schema: Json, kind: str, response: CapturedResponse, closed: bool) -> list[str]:
        if kind not in ("*/*", response.kind):
            return [f"the media type is {response.kind}, not {kind}"]
        if kind == "text/plain" and schema == {"type": "string"}:
            return []
        try:
            value = response.json()
        except ValueError:
            return ["the response is not JSON"]
        return self._errors(schema, value, closed)

    def _errors(self, schema: Json, value: object, closed: bool) -> list[str]:
        validator = self._validator(json.dumps(schema), closed)
        problem = best_match(validator.iter_errors(value))
        if problem is None:
            return []
        return [f"{'/'.join(map(str, problem.absolute_path))}: {problem.message[:300]}"]

    def _make_validator(self, schema: str, closed: bool) -> Draft7Validator:
        schemas = self._closed if closed else self._open
        return Draft7Validator(
            {"components": {"schemas": schemas}, "allOf": [_strict(json.loads(schema), closed)]}
        )


@dataclass(frozen=True)
class CapturedResponse:
    """A response.

    :param status: its status.
    :param kind: its media type, without parameters.
    :param body: its body.
    """

    status: int
    kind: str
    body: bytes

    def json(self) -> Any:
        """Parse the body."""
        return json.loads(self.body)


def _prepared(schemas: Mapping[str, Json], closed: bool) -> Json:
    """Convert all schemas of the document to JSON Schema."""
    return {name: _strict(schema, closed) for name, schema in schemas.items()}


def _strict(schema: Json, closed: bool) -> Json:
    """Convert a schema to JSON Schema, as strict as the document intends.

    Strings, arrays and objects may be null: the server omits no field and sends null for unknown values.
    Numbers and booleans may not, unless declared nullable.
    """
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    found = copy.copy(schema)
    kind = found.get("type")
    if "items" in found:
        found["items"] = _strict(found["items"], closed)
    if "anyOf" in found:
        found["anyOf"] = [_strict(choice, closed) for choice in found["anyOf"]]
    if kind == "integer":
        bits = 63 if found.get("format") == "int64" else 31
        found = {"minimum": -(2**bits), "maximum": 2**bits - 1, **found}
    if "properties" in found:
        properties = found["properties"].items()
        found["properties"] = {name: _or_null(each, _strict(each, closed)) for name, each in properties}
        if closed:
            found["additionalProperties"] = False
    return found


def _or_null(schema: Json, strict: Json) -> Json:
    """Allow null for a property if it is nullable."""
    if "$ref" in schema:
        return {"anyOf": [strict, {"type": "null"}]}
    if schema.get("type") in ("string", "array", "object") or schema.get("nullable"):
        nullable = {**strict, "type": [strict["type"], "null"]}
        return {**nullable, "enum": [*strict["enum"], None]} if "enum" in strict else nullable
    return strict
