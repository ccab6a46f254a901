"""Updates single leads. Source: contract, ``updateCampaignLead`` and ``patchCampaignLead``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from starlette.responses import Response

from airflow_provider_engagevoice.ringcx.spec.enums import DUPLICATE_HANDLING, TIME_ZONE_OPTIONS
from airflow_provider_engagevoice.sandbox.api.admin.records import id_in_path
from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import (
    NUMBERS,
    ZONES,
    Row,
    any_number,
    check_personas,
    extra_data_in,
    number_in,
    personas_in,
    read_phones,
    text_in,
)
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition, read_state
from airflow_provider_engagevoice.sandbox.api.leads.serializers import find_leads
from airflow_provider_engagevoice.sandbox.http.endpoint import Call, answer
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, Refusal, read_or_refuse, refused_values
from airflow_provider_engagevoice.sandbox.http.parsing import read_choice, read_integer, read_moment
from airflow_provider_engagevoice.sandbox.state.phones import index_phones
from airflow_provider_engagevoice.sandbox.state.sandbox import Service
from airflow_provider_engagevoice.sandbox.state.store import PERSON_COLUMNS

T = TypeVar("T")

#: What an update takes; ``COUNTRY`` is for loads only. Source: contract.
_ZONE_OPTIONS = tuple(option for option in TIME_ZONE_OPTIONS if option != "COUNTRY")

#: Options by which an update works out the time zone anew; it leaves the zone alone with others (assumed).
_WORKED_OUT = ("NPA_NXX", "ZIPCODE")

#: Where an update looks for another lead of the same number. Source: contract, guide on bulk import.
_SAME_PLACE = {"REMOVE_FROM_LIST": "listId", "REMOVE_ALL_EXISTING": "campaignId"}


def patch_lead(service: Service, call: Call) -> Response:
    """``PATCH campaignLeads/{lead}``: changes the fields that are sent; 200 and the lead."""
    body = call.json_object()
    return _update(service, call, body, [name for name in _READERS if name in body])


def put_lead(service: Service, call: Call) -> Response:
    """``PUT campaignLeads/{lead}``: fields that are not sent become null; 200 and the lead."""
    return _update(service, call, call.json_object(), list(_READERS))


def _update(service: Service, call: Call, body: Row, names: list[str]) -> Response:
    """Update the fields of these names.

    Ids, passes, suppression, dates of calls and what is no field of a lead are ignored; ``leadState``, too,
    unless the sandbox is told otherwise (assumed).
    """
    place = _place(call)
    zone_from = _choice(call, "timezoneOption", _ZONE_OPTIONS)
    duplicates = _choice(call, "duplicateHandling", DUPLICATE_HANDLING)
    values = _read(body, names)
    if service.settings.patch_state and body.get("leadState") is not None:
        values["leadState"] = read_or_refuse("leadState", body["leadState"], read_state)
        values["stateDts"] = service.clock.milliseconds()
    with service.store.changing() as connection:
        lead = _find(connection, place)
        if values.get("maxPasses", 0) is None:
            values["maxPasses"] = _passes_of_campaign(connection, lead)
        if zone_from in _WORKED_OUT:
            values["leadTimezone"] = _zone({**dict(lead), **values}, zone_from)
        _check(lead, values)
        if not _becomes_duplicate(connection, lead, values, duplicates):
            _write(connection, lead, values)
        (row,) = find_leads(connection, Condition("l.leadId = ?", (lead["leadId"],)), 1, 0)
    return answer(row["campaignLead"])


def _place(call: Call) -> dict[str, object]:
    """Read where the lead must be: its id, account, campaign and, where given, list."""
    place: dict[str, object] = {
        "leadId": id_in_path(call, "lead"),
        "accountId": call.captured["account"],
        "campaignId": _in_query(call, "campaignId", read_integer),
        "listId": _in_query(call, "listId", read_integer),
    }
    if place["campaignId"] is None:
        raise refused_values([Invalid("campaignId", "is missing")])
    return {name: value for name, value in place.items() if value is not None}


def _choice(call: Call, name: str, choices: tuple[str, ...]) -> str:
    """Read one word of the query; empty where it is not given."""
    return _in_query(call, name, read_choice(choices)) or ""


def _in_query(call: Call, name: str, read: Callable[[object], T]) -> T | None:
    """Read one value of the query."""
    text = call.query.get(name, "")
    return read_or_refuse(name, text, read) if text else None


def _find(connection: sqlite3.Connection, place: Mapping[str, object]) -> sqlite3.Row:
    """Return the lead; one that is elsewhere is as unknown as one that is nowhere (assumed)."""
    where = " AND ".join(f"{name} = ?" for name in place)
    found = connection.execute(f"SELECT * FROM leads WHERE {where}", tuple(place.values())).fetchone()
    if found is None:
        raise Refusal(404)
    return cast("sqlite3.Row", found)


def _read(body: Row, names: list[str]) -> Row:
    """Read fields of a lead; what is missing, null or blank reads as null, and an id stays (assumed)."""
    values: Row = {}
    invalid = []
    for name in names:
        column, read = _READERS[name]
        try:
            values[column] = read(body, name)
        except ValueError as error:
            invalid.append(_invalid(name, error, body.get(name)))
    if invalid:
        raise refused_values(invalid)
    if values.get("externId", "") is None:
        del values["externId"]
    return values


def _invalid(name: str, error: ValueError, value: object) -> Invalid:
    """Describe a refused field; its readers name it in their messages, too."""
    return Invalid.of(name, str(error).removeprefix(f"{name} "), value)


def _text(body: Row, name: str) -> str | None:
    """Read a text."""
    return text_in(body, name) or None


def _id(body: Row, name: str) -> str | None:
    """Read an external id, without blanks around it."""
    return text_in(body, name).strip() or None


def _phone(body: Row, name: str) -> str | None:
    """Read a phone number, or several joined by pipes."""
    return read_phones(text_in(body, name), name, any_number) or None


def _personas(body: Row, name: str) -> str | None:
    """Read further numbers by their labels."""
    personas = personas_in(body)
    return json.dumps(personas) if personas else None


def _moment(body: Row, name: str) -> int | None:
    """Read a moment."""
    return None if body.get(name) in (None, "") else read_moment(body[name])


def _extra(body: Row, name: str) -> str | None:
    """Read extended data."""
    return extra_data_in(body)


#: What an update may change: the column, and what reads it from a body.
_READERS: Mapping[str, tuple[str, Callable[[Row, str], object]]] = {
    **{name: (name, _text) for name in (*PERSON_COLUMNS, "leadTimezone")},
    "externId": ("externId", _id),
    **{name: (name, number_in) for name in NUMBERS},
    "leadPhone": ("leadPhone", _phone),
    "leadPhoneE164": ("leadPhoneE164", _phone),
    "personaPhoneConfig": ("personaPhones", _personas),
    "extendedLeadData": ("extraData", _extra),
    "nextDialTime": ("nextDialTime", _moment),
}


def _check(lead: sqlite3.Row, values: Row) -> None:
    """Refuse numbers that a lead, as it will be, may not have beside each other; 400 is assumed."""
    after = {**dict(lead), **values}
    try:
        check_personas(str(after["leadPhone"] or ""), bool(after["personaPhones"]))
    except ValueError as error:
        raise refused_values([_invalid("leadPhone", error, after["leadPhone"])]) from error


def _passes_of_campaign(connection: sqlite3.Connection, lead: sqlite3.Row) -> int:
    """Return how many passes a lead may have that says nothing of its own (assumed)."""
    found = connection.execute(
        "SELECT coalesce(maxPasses, 0) FROM campaigns WHERE campaignId = ?", (lead["campaignId"],)
    ).fetchone()
    return int(found[0]) if found else 0


def _zone(lead: Row, zone_from: str) -> str | None:
    """Work out the time zone of a lead as it will be."""
    return ZONES[zone_from](lead, str(lead["leadPhone"] or lead["leadPhoneE164"] or ""))


def _becomes_duplicate(
    connection: sqlite3.Connection, lead: sqlite3.Row, values: Row, duplicates: str
) -> bool:
    """Tell whether the new number of a lead is another lead's of the same list or campaign.

    Such an update is dropped, as a load drops such a lead, in favour of the one that is there (assumed).
    """
    column = _SAME_PLACE.get(duplicates)
    phone = values.get("leadPhone")
    if column is None or phone is None or phone == lead["leadPhone"]:
        return False
    found = connection.execute(
        f"SELECT 1 FROM leads WHERE {column} = ? AND leadPhone = ? AND leadId <> ?",
        (lead[column], phone, lead["leadId"]),
    )
    return found.fetchone() is not None


def _write(connection: sqlite3.Connection, lead: sqlite3.Row, values: Row) -> None:
    """Write columns of a lead, and let searches find it by its numbers."""
    if not values:
        return
    assignments = ", ".join(f"{name} = ?" for name in values)
    connection.execute(f"UPDATE leads SET {assignments} WHERE leadId = ?", (*values.values(), lead["leadId"]))
    after = {**dict(lead), **values}
    personas = json.loads(after["personaPhones"] or "{}")
    numbers = [after["leadPhone"], after["leadPhoneE164"], *personas.values()]
    index_phones(connection, lead["leadId"], numbers)
