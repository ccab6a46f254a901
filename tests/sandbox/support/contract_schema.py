"""The published contract: where it is, where it is known to be wrong, and what is an answer that fits it."""

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
_BESIDE = Path(__file__).parents[4] / "shared" / "ringcx" / "openapi-leads.json"

MISSING = (
    f"no contract here: set {VARIABLE} to the lead-management subset of RingCentral's OpenAPI document,"
    " or put it at ../shared/ringcx/openapi-leads.json beside the repository"
)

_METHODS = ("get", "post", "put", "patch", "delete")
_LEADS = "/voice/api/v1/admin/accounts/{accountId}/campaignLeads"

#: Statuses that no operation declares and each may give.
UNDECLARED = {
    400: "bad data; the guide and the contract's integration paths have it",
    405: "a method that the path does not have",
    413: "a body of more than 10 MB; assumed",
    429: "a limit is used up; the guide's prose has it",
}

_MOMENT = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}\+0000$"


def find_contract() -> Path | None:
    """Return where the contract is, or None.

    :raises FileNotFoundError: the environment names a file that is not there.
    """
    if os.environ.get(VARIABLE):
        path = Path(os.environ[VARIABLE])
        if not path.is_file():
            raise FileNotFoundError(f"{VARIABLE} is {path}, where no file is")
        return path
    return _BESIDE if _BESIDE.is_file() else None


@dataclass(frozen=True)
class Conflict:
    """A place where the published document is known to say something else than RingCX does.

    :param name: what tests call it.
    :param reason: who says otherwise.
    :param mend: changes the document.
    """

    name: str
    reason: str
    mend: Callable[[Json], object]


def _schemas(document: Json) -> Json:
    found: Json = document["components"]["schemas"]
    return found


def _dates(document: Json) -> None:
    for name in ("DateTime", "Timestamp"):
        _schemas(document)[name] = {"type": "string", "pattern": _MOMENT}


def _collections(document: Json) -> None:
    schemas = _schemas(document)
    for name in [name for name in schemas if name.startswith("Collection")]:
        item = name.removeprefix("Collection")
        items = {"$ref": f"#/components/schemas/{item}"} if item in schemas else _ANY
        # What a request brings as an object, as the document has it, stays one.
        schemas[name] = {"type": ["array", "object"], "items": items}


def _search_answer(document: Json) -> None:
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


#: All that is known. Whatever else differs is a mistake of the sandbox.
CONFLICTS = (
    Conflict("dates", "texts in every sample; the document expands the server's classes for dates", _dates),
    Conflict("collections", "arrays in the guide's samples; the document says object", _collections),
    Conflict("search answer", "programs see a bare array, and a number with count=true", _search_answer),
    Conflict("compared number", "the guide's samples compare passes with a number", _compared_number),
    Conflict("nulls", "the guide's samples have null for what is not known; nothing is nullable", _nulls),
    Conflict("short dial group", "a campaign's dialGroup has id and description (guide)", _short_dial_group),
    Conflict("integration agents", "the document's example has fields that it lacks", _integration_agents),
    Conflict("not found", "404 for an unknown id; DELETE and PATCH do not declare it", _not_found),
    Conflict("error code", "a 403 has an errorCode (guide)", _error_code),
)


def read_contract(path: Path, conflicts: tuple[Conflict, ...] = CONFLICTS) -> Json:
    """Read the contract and mend it.

    :param path: the document.
    :param conflicts: what to mend.
    :return: the document.
    """
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    for conflict in conflicts:
        conflict.mend(document)
    return document


#: What the bodies of requests are made of as deep as the sandbox reads them.
_READ_DEEPLY = {
    "CampaignLead",
    "CampaignLeadSearchCriteria",
    "ComparableSearchField",
    "DateTimeComparableSearchField",
    "LeadActionParams",
    "Timezone",
}


def shallow(document: Json) -> Json:
    """Cut off what bodies nest that the sandbox keeps without looking into it: generating it takes minutes.

    :param document: the document; stays as it is.
    :return: the smaller one, for generating requests.
    """
    smaller = copy.deepcopy(document)
    for schema in _schemas(smaller).values():
        for name, part in schema.get("properties", {}).items():
            schema["properties"][name] = _cut(part)
    return smaller


_ANY: Json = {"type": "object"}


def _cut(part: Json) -> Json:
    """Replace a large object by any object."""
    if "items" in part:
        return {**part, "items": _cut(part["items"])}
    name = part.get("$ref", "").rpartition("/")[2]
    is_small = not name or name in _READ_DEEPLY or name in ("DateTime", "Timestamp")
    if is_small:
        return part
    return {"type": "array", "items": _ANY} if name.startswith("Collection") else _ANY


def _operations(document: Json) -> Iterator[tuple[str, str]]:
    """Go through paths and methods."""
    for path, item in document["paths"].items():
        for method in item:
            if method in _METHODS:
                yield path, method


class Contract:
    """Holds answers against the mended document.

    :param document: the document.
    """

    def __init__(self, document: Json) -> None:
        self.document = document
        self._validator = cache(self._make_validator)
        self._open = _prepared(_schemas(document), closed=False)
        self._closed = _prepared(_schemas(document), closed=True)

    def problems(self, label: str, answer: Answer, *, closed: bool = False) -> list[str]:
        """Say what is wrong with an answer.

        :param label: the operation, as ``GET /path``.
        :param answer: the answer.
        :param closed: a field that the document does not have is wrong, too.
        :return: the problems.
        """
        method, path = label.split(" ")
        declared = self.document["paths"][path][method.lower()]["responses"]
        status = answer.status
        if status >= 500 or not (str(status) in declared or status in UNDECLARED):
            return [f"status {status} is not declared"]
        if status in (400, 403, 404, 405, 413):
            schema: Json = {"$ref": "#/components/schemas/Errors"}
            return self._against(schema, "application/json", answer, closed)
        if status in (401, 429):
            return [] if answer.kind == "text/plain" else [f"{status} is {answer.kind}, not text/plain"]
        found = []
        for kind, content in declared[str(status)].get("content", {}).items():
            found = self._against(content["schema"], kind, answer, closed)
        return found

    def body_problems(self, label: str, body: object) -> list[str]:
        """Say what is wrong with the JSON body of a request."""
        method, path = label.split(" ")
        content = self.document["paths"][path][method.lower()]["requestBody"]["content"]
        return self._errors(content["application/json"]["schema"], body, closed=True)

    def _against(self, schema: Json, kind: str, answer: Answer, closed: bool) -> list[str]:
        if kind not in ("*/*", answer.kind):
            return [f"the answer is {answer.kind}, not {kind}"]
        if kind == "text/plain" and schema == {"type": "string"}:
            return []
        try:
            value = answer.json()
        except ValueError:
            return ["the answer is not JSON"]
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
class Answer:
    """One answer.

    :param status: its status.
    :param kind: its media type, without parameters.
    :param body: its body.
    """

    status: int
    kind: str
    body: bytes

    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


def _prepared(schemas: Mapping[str, Json], closed: bool) -> Json:
    """Write all schemas of the document as JSON Schema has them."""
    return {name: _strict(schema, closed) for name, schema in schemas.items()}


def _strict(schema: Json, closed: bool) -> Json:
    """Write a schema as JSON Schema has it, as narrow as the document means it.

    Texts, lists and objects may be null: Java leaves out nothing, and null stands for what is not known.
    Numbers and booleans may not, unless said so.
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
    """Let a property be null, where it may."""
    if "$ref" in schema:
        return {"anyOf": [strict, {"type": "null"}]}
    if schema.get("type") in ("string", "array", "object") or schema.get("nullable"):
        mended = {**strict, "type": [strict["type"], "null"]}
        return {**mended, "enum": [*strict["enum"], None]} if "enum" in strict else mended
    return strict
