"""Phone numbers as searches compare them, and the index of the numbers of each lead."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable

_SEPARATOR = "|"


def phone_digits(number: str) -> str:
    """Return what two spellings of a US number share: the digits, without a leading 1 (assumed)."""
    digits = re.sub(r"\D", "", number, flags=re.ASCII)
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits


def digits_of(numbers: Iterable[str | None]) -> set[str]:
    """Return the digits of all numbers of a lead.

    :param numbers: its ``leadPhone``, where several are joined by a pipe (guide), ``leadPhoneE164`` and the
        values of ``personaPhoneConfig``; None where it has none.
    :return: the digits of each, as the table ``lead_phones`` has them.
    """
    parts = (part for number in numbers if number for part in number.split(_SEPARATOR))
    return {digits for digits in map(phone_digits, parts) if digits}


def first_number(lead_phone: str) -> str:
    """Return the first of the numbers that a ``leadPhone`` joins."""
    return lead_phone.split(_SEPARATOR)[0]


def is_several(lead_phone: str) -> bool:
    """Tell whether a ``leadPhone`` joins several numbers."""
    return _SEPARATOR in lead_phone


def index_phones(connection: sqlite3.Connection, lead_id: int, numbers: Iterable[str | None]) -> None:
    """Let searches find a lead by these numbers, and by no others.

    :param connection: the database, inside a transaction.
    :param lead_id: the lead.
    :param numbers: as for :func:`digits_of`.
    """
    wanted = digits_of(numbers)
    found = connection.execute("SELECT digits FROM lead_phones WHERE leadId = ?", (lead_id,))
    present = {row["digits"] for row in found}
    connection.executemany(
        "DELETE FROM lead_phones WHERE digits = ? AND leadId = ?",
        [(digits, lead_id) for digits in sorted(present - wanted)],
    )
    connection.executemany(
        "INSERT INTO lead_phones VALUES (?, ?)", [(digits, lead_id) for digits in sorted(wanted - present)]
    )
