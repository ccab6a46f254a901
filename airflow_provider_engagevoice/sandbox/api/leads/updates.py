"""Handlers that update single leads. Source: contract, ``updateCampaignLead`` and ``patchCampaignLead``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.spec.enums import DUPLICATE_HANDLING, TIME_ZONE_OPTIONS
from airflow_provider_engagevoice.sandbox.api.admin.records import path_id
from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import (
    NUMBERS,
    TIME_ZONE_RESOLVERS,
    Row,
    check_personas,
    get_text,
    parse_extra_data,
    parse_number_field,
    parse_personas,
    parse_phone,
    parse_phones,
)
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition, parse_state
from airflow_provider_engagevoice.sandbox.api.leads.serializers import find_leads
from airflow_provider_engagevoice.sandbox.http.endpoint import json_response
from airflow_provider_engagevoice.sandbox.http.errors import (
    ApiError,
    InvalidValue,
    parse_field,
    validation_error,
)
from airflow_provider_engagevoice.sandbox.http.parsing import choice_parser, parse_integer, parse_timestamp
from airflow_provider_engagevoice.sandbox.http.request import ApiRequest
from airflow_provider_engagevoice.sandbox.state.phones import index_phones
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.store import PERSON_COLUMNS

T = TypeVar("T")

#: Options of an update; ``COUNTRY`` is for loads only. Source: contract.
_ZONE_OPTIONS = tuple(option for option in TIME_ZONE_OPTIONS if option != "COUNTRY")

#: Options with which an update recomputes the time zone; other options do not change it (assumed).
_COMPUTED_ZONES = ("NPA_NXX", "ZIPCODE")

#: Scope of the search for another lead with the same number. Source: contract, guide on bulk import.
_DUPLICATE_SCOPES = {"REMOVE_FROM_LIST": "listId", "REMOVE_ALL_EXISTING": "campaignId"}


def patch_lead(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PATCH campaignLeads/{lead}``: change the given fields; 200 and the lead."""
    body = request.json_object()
    return _update(sandbox, request, body, [name for name in _PARSERS if name in body])


def put_lead(sandbox: SandboxState, request: ApiRequest) -> Response:
    """``PUT campaignLeads/{lead}``: replace the lead; missing fields become null. 200 and the lead."""
    return _update(sandbox, request, request.json_object(), list(_PARSERS))


def _update(sandbox: SandboxState, request: ApiRequest, body: Row, names: list[str]) -> Response:
    """Update the named fields.

    Ids, passes, suppression, call dates and unknown fields are ignored; so is ``leadState``, unless the
    setting ``patch_state`` is on (assumed).
    """
    location = _parse_location(request)
    zone_option = _parse_choice(request, "timezoneOption", _ZONE_OPTIONS)
    duplicates = _parse_choice(request, "duplicateHandling", DUPLICATE_HANDLING)
    values = _parse(body, names)
    if sandbox.settings.patch_state and body.get("leadState") is not None:
        values["leadState"] = parse_field("leadState", body["leadState"], parse_state)
        values["stateDts"] = sandbox.clock.milliseconds()
    with sandbox.store.changing() as connection:
        lead = _find(connection, location)
        if values.get("maxPasses", 0) is None:
            values["maxPasses"] = _campaign_max_passes(connection, lead)
        if zone_option in _COMPUTED_ZONES:
            values["leadTimezone"] = _zone({**dict(lead), **values}, zone_option)
        _check_phones(lead, values)
        if not _is_duplicate(connection, lead, values, duplicates):
            _write(connection, lead, values)
        (row,) = find_leads(connection, Condition("l.leadId = ?", (lead["leadId"],)), 1, 0)
    return json_response(row["campaignLead"])


def _parse_location(request: ApiRequest) -> dict[str, object]:
    """Parse the lead's id, account, campaign and, if given, list."""
    location: dict[str, object] = {
        "leadId": path_id(request, "lead"),
        "accountId": request.path_params["account"],
        "campaignId": _parse_query(request, "campaignId", parse_integer),
        "listId": _parse_query(request, "listId", parse_integer),
    }
    if location["campaignId"] is None:
        raise validation_error([InvalidValue("campaignId", "is missing")])
    return {name: value for name, value in location.items() if value is not None}


def _parse_choice(request: ApiRequest, name: str, choices: tuple[str, ...]) -> str:
    """Parse one choice of the query; empty if it is missing."""
    return _parse_query(request, name, choice_parser(choices)) or ""


def _parse_query(request: ApiRequest, name: str, parse: Callable[[object], T]) -> T | None:
    """Parse one value of the query; None if it is missing."""
    text = request.query.get(name, "")
    return parse_field(name, text, parse) if text else None


def _find(connection: sqlite3.Connection, location: Mapping[str, object]) -> sqlite3.Row:
    """Return the lead; raise 404 if it does not exist or is in another campaign or list (assumed)."""
    where = " AND ".join(f"{name} = ?" for name in location)
    found = connection.execute(f"SELECT * FROM leads WHERE {where}", tuple(location.values())).fetchone()
    if found is None:
        raise ApiError(404)
    return cast("sqlite3.Row", found)


def _parse(body: Row, names: list[str]) -> Row:
    """Parse fields of a lead; missing, null and blank mean null; then ``externId`` stays (assumed)."""
    values: Row = {}
    invalid = []
    for name in names:
        column, parse = _PARSERS[name]
        try:
            values[column] = parse(body, name)
        except ValueError as error:
            invalid.append(_invalid(name, error, body.get(name)))
    if invalid:
        raise validation_error(invalid)
    if values.get("externId", "") is None:
        del values["externId"]
    return values


def _invalid(name: str, error: ValueError, value: object) -> InvalidValue:
    """Return the error of an invalid field, without the field's name, which its parser puts first."""
    return InvalidValue.of(name, str(error).removeprefix(f"{name} "), value)


def _text(body: Row, name: str) -> str | None:
    """Parse a text."""
    return get_text(body, name) or None


def _id(body: Row, name: str) -> str | None:
    """Parse an external id; surrounding spaces are removed."""
    return get_text(body, name).strip() or None


def _phone(body: Row, name: str) -> str | None:
    """Parse a phone number, or several joined by pipes."""
    return parse_phones(get_text(body, name), name, parse_phone) or None


def _personas(body: Row, name: str) -> str | None:
    """Parse the persona phone numbers to JSON."""
    personas = parse_personas(body)
    return json.dumps(personas) if personas else None


def _moment(body: Row, name: str) -> int | None:
    """Parse a timestamp."""
    return None if body.get(name) in (None, "") else parse_timestamp(body[name])


def _extra(body: Row, name: str) -> str | None:
    """Parse extended data."""
    return parse_extra_data(body)


#: Fields that an update may change, each with its column and its parser.
_PARSERS: Mapping[str, tuple[str, Callable[[Row, str], object]]] = {
    **{name: (name, _text) for name in (*PERSON_COLUMNS, "leadTimezone")},
    "externId": ("externId", _id),
    **{name: (name, parse_number_field) for name in NUMBERS},
    "leadPhone": ("leadPhone", _phone),
    "leadPhoneE164": ("leadPhoneE164", _phone),
    "personaPhoneConfig": ("personaPhones", _personas),
    "extendedLeadData": ("extraData", _extra),
    "nextDialTime": ("nextDialTime", _moment),
}


def _check_phones(lead: sqlite3.Row, values: Row) -> None:
    """Reject combinations of phone numbers that the updated lead must not have; 400 is assumed."""
    after = {**dict(lead), **values}
    try:
        check_personas(str(after["leadPhone"] or ""), bool(after["personaPhones"]))
    except ValueError as error:
        raise validation_error([_invalid("leadPhone", error, after["leadPhone"])]) from error


def _campaign_max_passes(connection: sqlite3.Connection, lead: sqlite3.Row) -> int:
    """Return the campaign's ``maxPasses``, the default of its leads (assumed)."""
    found = connection.execute(
        "SELECT coalesce(maxPasses, 0) FROM campaigns WHERE campaignId = ?", (lead["campaignId"],)
    ).fetchone()
    return int(found[0]) if found else 0


def _zone(lead: Row, zone_option: str) -> str | None:
    """Return the time zone of the updated lead."""
    return TIME_ZONE_RESOLVERS[zone_option](lead, str(lead["leadPhone"] or lead["leadPhoneE164"] or ""))


def _is_duplicate(connection: sqlite3.Connection, lead: sqlite3.Row, values: Row, duplicates: str) -> bool:
    """Return whether another lead of the same list or campaign already has the lead's new number.

    Such an update is ignored, as a load ignores such a lead (assumed).
    """
    column = _DUPLICATE_SCOPES.get(duplicates)
    phone = values.get("leadPhone")
    if column is None or phone is None or phone == lead["leadPhone"]:
        return False
    found = connection.execute(
        f"SELECT 1 FROM leads WHERE {column} = ? AND leadPhone = ? AND leadId <> ?",
        (lead[column], phone, lead["leadId"]),
    )
    return found.fetchone() is not None


def _write(connection: sqlite3.Connection, lead: sqlite3.Row, values: Row) -> None:
    """Write columns of a lead and update the index of phone numbers."""
    if not values:
        return
    assignments = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE leads SET {assignments} WHERE leadId = ?", (*values.values(), lead["leadId"]))
    after = {**dict(lead), **values}
    personas = json.loads(after["personaPhones"] or "{}")
    numbers = [after["leadPhone"], after["leadPhoneE164"], *personas.values()]
    index_phones(connection, lead["leadId"], numbers)
