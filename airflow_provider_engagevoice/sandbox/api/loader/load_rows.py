"""Validates the leads of a load one by one. Source of the fields: contract, CampaignLead.

An invalid lead becomes a rejected row; the other leads are loaded (assumed).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import (
    NUMBERS,
    TIME_ZONE_RESOLVERS,
    Row,
    check_personas,
    get_text,
    parse_extra_data,
    parse_international_phone,
    parse_number_field,
    parse_personas,
    parse_phones,
    parse_us_phone,
    to_text,
)
from airflow_provider_engagevoice.sandbox.api.loader.load_options import LoadOptions
from airflow_provider_engagevoice.sandbox.http.parsing import parse_object
from airflow_provider_engagevoice.sandbox.state.phones import digits_of
from airflow_provider_engagevoice.sandbox.state.store import PERSON_COLUMNS


@dataclass(frozen=True)
class NewLead:
    """A validated lead.

    :param values: its values by column.
    :param digits: all its phone numbers, in the format of the table ``lead_phones``.
    :param agent: the untrusted id of the agent to reserve it for; None for no agent.
    """

    values: Row
    digits: frozenset[str]
    agent: object


def parse_leads(entries: Iterable[object], options: LoadOptions) -> tuple[list[NewLead], list[Row]]:
    """Validate the leads of a load.

    :param entries: the untrusted leads.
    :param options: the options of the load.
    :return: the accepted leads and the rejected rows. Source: contract, RejectedRow.
    """
    accepted: list[NewLead] = []
    rejected: list[Row] = []
    for entry in entries:
        try:
            accepted.append(_parse_lead(parse_object(entry), options))
        except ValueError as error:
            rejected.append({"message": str(error), "rowData": _row_data(entry)})
    return accepted, rejected


def _parse_lead(entry: Row, options: LoadOptions) -> NewLead:
    """Parse one lead; fields that are not in the contract are ignored (observed)."""
    extern_id = get_text(entry, "externId").strip()
    if not extern_id:
        raise ValueError("externId is required")
    e164 = parse_phones(get_text(entry, "leadPhoneE164"), "leadPhoneE164", parse_international_phone)
    parse_lead_phone = parse_international_phone if options.international else parse_us_phone
    phone = parse_phones(get_text(entry, "leadPhone"), "leadPhone", parse_lead_phone) or e164
    if not phone:
        raise ValueError("leadPhone is required")
    personas = parse_personas(entry)
    check_personas(phone, bool(personas))
    values: Row = {
        **{name: get_text(entry, name) or None for name in PERSON_COLUMNS},
        **{name: parse_number_field(entry, name) for name in NUMBERS},
        "externId": extern_id,
        "leadPhone": phone,
        "leadPhoneE164": e164 or None,
        "personaPhones": json.dumps(personas) if personas else None,
        "leadTimezone": TIME_ZONE_RESOLVERS[options.zone_option](entry, phone),
        "extraData": parse_extra_data(entry),
    }
    return NewLead(values, frozenset(digits_of([phone, e164, *personas.values()])), entry.get("reserveAgent"))


def _row_data(entry: object) -> list[str]:
    """Return the values of a rejected lead in their original order (assumed)."""
    values = entry.values() if isinstance(entry, dict) else [entry]
    return [to_text(value) for value in values if not isinstance(value, (dict, list))]
