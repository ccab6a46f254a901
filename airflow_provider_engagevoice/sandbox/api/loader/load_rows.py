"""Reads the leads of a load one by one. Source of the fields: contract, CampaignLead.

What is wrong with one lead makes it a rejected row, and leaves the others alone (assumed).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.api.leads.lead_fields import (
    NUMBERS,
    ZONES,
    Row,
    check_personas,
    domestic,
    extra_data_in,
    international,
    number_in,
    personas_in,
    plain,
    read_phones,
    text_in,
)
from airflow_provider_engagevoice.sandbox.api.loader.load_options import LoadOptions
from airflow_provider_engagevoice.sandbox.http.parsing import read_object
from airflow_provider_engagevoice.sandbox.state.phones import digits_of
from airflow_provider_engagevoice.sandbox.state.store import PERSON_COLUMNS


@dataclass(frozen=True)
class NewLead:
    """One lead that may be loaded.

    :param values: its columns.
    :param digits: all its numbers, as the table ``lead_phones`` has them.
    :param agent: the agent it is to be reserved for, untrusted; None for nobody.
    """

    values: Row
    digits: frozenset[str]
    agent: object


def read_leads(entries: Iterable[object], options: LoadOptions) -> tuple[list[NewLead], list[Row]]:
    """Read the leads of a load.

    :param entries: the untrusted leads.
    :param options: what the load is to do with them.
    :return: the leads accepted, and the rejected rows. Source: contract, RejectedRow.
    """
    accepted: list[NewLead] = []
    rejected: list[Row] = []
    for entry in entries:
        try:
            accepted.append(_read_lead(read_object(entry), options))
        except ValueError as error:
            rejected.append({"message": str(error), "rowData": _row_data(entry)})
    return accepted, rejected


def _read_lead(entry: Row, options: LoadOptions) -> NewLead:
    """Read one lead; what the contract does not name is ignored (observed)."""
    extern_id = text_in(entry, "externId").strip()
    if not extern_id:
        raise ValueError("externId is required")
    e164 = read_phones(text_in(entry, "leadPhoneE164"), "leadPhoneE164", international)
    kind = international if options.international else domestic
    phone = read_phones(text_in(entry, "leadPhone"), "leadPhone", kind) or e164
    if not phone:
        raise ValueError("leadPhone is required")
    personas = personas_in(entry)
    check_personas(phone, bool(personas))
    values: Row = {
        **{name: text_in(entry, name) or None for name in PERSON_COLUMNS},
        **{name: number_in(entry, name) for name in NUMBERS},
        "externId": extern_id,
        "leadPhone": phone,
        "leadPhoneE164": e164 or None,
        "personaPhones": json.dumps(personas) if personas else None,
        "leadTimezone": ZONES[options.zone_from](entry, phone),
        "extraData": extra_data_in(entry),
    }
    return NewLead(values, frozenset(digits_of([phone, e164, *personas.values()])), entry.get("reserveAgent"))


def _row_data(entry: object) -> list[str]:
    """Write the values of a rejected lead, in the order they came in (assumed)."""
    values = entry.values() if isinstance(entry, dict) else [entry]
    return [plain(value) for value in values if not isinstance(value, (dict, list))]
