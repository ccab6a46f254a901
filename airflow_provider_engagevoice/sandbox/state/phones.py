"""Phone number normalization and the index of the phone numbers of each lead."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

_SEPARATOR = "|"


def phone_digits(number: str) -> str:
    """Return the digits of a phone number, without the leading 1 of a US number (assumed)."""
    digits = re.sub(r"\D", "", number, flags=re.ASCII)
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def digits_of(numbers: Iterable[str | None]) -> set[str]:
    """Return the digits of all phone numbers of a lead.

    :param numbers: its ``leadPhone``, which may hold several numbers separated by pipes (guide), its
        ``leadPhoneE164`` and the values of ``personaPhoneConfig``; None for a missing value.
    :return: the digits of each number, as stored in the table ``lead_phones``.
    """
    parts = (part for number in numbers if number for part in number.split(_SEPARATOR))
    return {digits for digits in map(phone_digits, parts) if digits}


def first_number(lead_phone: str) -> str:
    """Return the first number of a ``leadPhone``."""
    return lead_phone.split(_SEPARATOR)[0]


def has_several_numbers(lead_phone: str) -> bool:
    """Return whether a ``leadPhone`` holds several numbers."""
    return _SEPARATOR in lead_phone


def index_phones(connection: sqlite3.Connection, lead_id: int, numbers: Iterable[str | None]) -> None:
    """Update the phone index, so that searches find a lead by exactly these numbers.

    :param connection: the database, inside a transaction.
    :param lead_id: the lead.
    :param numbers: as for :func:`digits_of`.
    """
    wanted = digits_of(numbers)
    rows = connection.execute("SELECT digits FROM lead_phones WHERE leadId = ?", (lead_id,))
    indexed = {row["digits"] for row in rows}
    connection.executemany(
        "DELETE FROM lead_phones WHERE digits = ? AND leadId = ?",
        [(digits, lead_id) for digits in sorted(indexed - wanted)],
    )
    connection.executemany(
        "INSERT INTO lead_phones VALUES (?, ?)", [(digits, lead_id) for digits in sorted(wanted - indexed)]
    )
