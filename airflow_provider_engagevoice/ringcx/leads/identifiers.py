"""Normalization of lead ids, external ids and phone numbers, the same for every source of them.

docs/identifiers.md lists the rules.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from numbers import Integral, Real
from typing import Any
from uuid import UUID

log = logging.getLogger(__name__)

MIN_PHONE_DIGITS = 7
MAX_PHONE_DIGITS = 15
"""Source: ITU-T E.164."""

_LARGEST_NUMBER = 2**63 - 1
_LARGEST_EXACT_FLOAT = 2**53
_MAX_DIGITS = 19
_ZERO_FRACTION = re.compile(r"(\d+)\.0*", re.ASCII)
_EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE][+]\d+", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_PHONE = re.compile(r"\+?[0-9\s().\-/\u2010-\u2014]+")
_NON_DIGIT = re.compile(r"[^0-9]")
#: What spreadsheets and data frames write in place of a missing value.
_PLACEHOLDERS = frozenset({"nan", "<na>", "nat", "null", "none", "#n/a", "n/a", "#ref!", "#value!", "#name?"})

BLANKS = "blanks at the ends removed"
INVISIBLE = "invisible characters removed"
ZERO_FRACTION = "a trailing .0 removed"
PUNCTUATION = "punctuation removed"
SEVERAL_NUMBERS = "several phone numbers split at |"


_Normalize = Callable[[Any, Counter[str]], list[Any]]


class InvalidIdentifier(ValueError):
    """The value cannot be an identifier; the message completes "... must be" or names the cause."""


@dataclass
class IdNormalizer:
    """Normalizes the entries of one list of identifiers and counts what it changed.

    :param key: ``externIds``, ``leadIds`` or ``leadPhoneNumbers``, or another criterion with ids.
    :param changes: number of entries by what was changed.
    """

    key: str
    changes: Counter[str] = field(default_factory=Counter)

    def normalize(self, value: Any) -> list[Any]:
        """Return the identifiers in one entry: one, or several phone numbers.

        :param value: the entry, as read from a file or given by the author. A string is cleaned first.
        :return: ints for lead ids, text otherwise.
        :raises InvalidIdentifier: if the entry cannot match a lead, or could match a different one.
        """
        if isinstance(value, str):
            value = self._clean(value)
        normalize: _Normalize = _NORMALIZERS.get(self.key, _lead_ids)
        return normalize(value, self.changes)

    def log_changes(self, total: int) -> None:
        """Log once what was changed, without any value.

        :param total: number of entries.
        """
        if self.changes:
            counts = ", ".join(f"{count:,} with {change}" for change, count in sorted(self.changes.items()))
            log.info("%s: normalized values among %d: %s", self.key, total, counts)

    def _clean(self, text: str) -> str:
        cleaned, invisible = remove_invisible(text)
        if cleaned != text:
            self.changes.update([INVISIBLE if invisible else BLANKS])
        return cleaned


def remove_invisible(text: str) -> tuple[str, bool]:
    """Remove blanks and control characters at the ends, and invisible characters anywhere.

    :param text: the text. Invisible are the format characters of Unicode: marks of writing direction,
        zero-width characters, byte order marks, soft hyphens.
    :return: the text, and whether it had invisible characters.
    """
    if text.isascii():
        return text.strip(_ASCII_ENDS), False
    kept = "".join(character for character in text if unicodedata.category(character) != "Cf")
    start, end = 0, len(kept)
    while start < end and _is_end(kept[start]):
        start += 1
    while end > start and _is_end(kept[end - 1]):
        end -= 1
    return kept[start:end], len(kept) != len(text)


def is_missing(value: object) -> bool:
    """Return whether an entry of a list is blank: without a visible character, or a DOS end-of-file mark.

    :param value: the entry.
    :return: True if it is blank.
    """
    if not isinstance(value, str):
        return False
    return not remove_invisible(value)[0]


def _is_end(character: str) -> bool:
    return character.isspace() or unicodedata.category(character) == "Cc"


_ASCII_ENDS = "".join(character for character in map(chr, range(128)) if _is_end(character))


def _extern_ids(value: Any, changes: Counter[str]) -> list[str]:
    text = value if isinstance(value, str) else _number_text(value)
    if not text.isprintable() and any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        raise InvalidIdentifier("contains a control character, such as a tab or a line break")
    if not any(character.isalnum() for character in text):
        raise InvalidIdentifier("must contain a letter or a digit; otherwise it could match any lead")
    if text.casefold() in _PLACEHOLDERS:
        raise InvalidIdentifier("is the mark of a missing value, not an id")
    if _ZERO_FRACTION.fullmatch(text):
        raise InvalidIdentifier(_FLOAT_COLUMN)
    if _EXPONENT.fullmatch(text):
        raise InvalidIdentifier(_SPREADSHEET)
    return [text]


_FLOAT_COLUMN = (
    "went through a column of floating-point numbers, which adds .0 and drops leading zeros; read or "
    "export the column as text"
)
_SPREADSHEET = "is in a spreadsheet's exponent notation, which drops digits; export the column as text"


def _number_text(value: Any) -> str:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite() and value.as_tuple().exponent == 0:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        if isinstance(value, (Decimal, Real)) and not isinstance(value, bool):
            raise InvalidIdentifier(_FLOAT_COLUMN)
        raise InvalidIdentifier("must be text")
    if abs(int(value)) > _LARGEST_NUMBER:
        raise InvalidIdentifier("must be text")
    return str(int(value))


def _whole_number(value: Any) -> int:
    if isinstance(value, str):
        if not _DIGITS.fullmatch(value) or len(value) > _MAX_DIGITS:
            raise InvalidIdentifier(_FLOAT_COLUMN if _ZERO_FRACTION.fullmatch(value) else _NOT_AN_ID)
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value.as_tuple().exponent == 0:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, Integral):
        is_float = isinstance(value, (Decimal, Real)) and not isinstance(value, bool)
        raise InvalidIdentifier(_FLOAT_COLUMN if is_float and value == value // 1 else _NOT_AN_ID)
    return int(value)


_NOT_AN_ID = "must be an id (a positive whole number)"


def _lead_ids(value: Any, changes: Counter[str]) -> list[int]:
    number = _whole_number(value)
    if not 1 <= number <= _LARGEST_NUMBER:
        raise InvalidIdentifier(_NOT_AN_ID)
    return [number]


def _phones(value: Any, changes: Counter[str]) -> list[str]:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _LARGEST_EXACT_FLOAT:
        changes.update([ZERO_FRACTION])
        value = int(value)
    text = value if isinstance(value, str) else _number_text(value)
    parts = [remove_invisible(part)[0] for part in text.split("|")]
    numbers = [_phone(part, changes) for part in parts if part]
    if not numbers:
        raise InvalidIdentifier(_SHORT_PHONE)
    changes.update([SEVERAL_NUMBERS] if len(numbers) > 1 else [])
    return numbers


_SHORT_PHONE = f"must be a phone number of {MIN_PHONE_DIGITS} or more digits; fewer could match any lead"


def _phone(text: str, changes: Counter[str]) -> str:
    zero_fraction = _ZERO_FRACTION.fullmatch(text)
    if zero_fraction and len(zero_fraction[1]) >= MIN_PHONE_DIGITS:
        changes.update([ZERO_FRACTION])
        text = zero_fraction[1]
    if _EXPONENT.fullmatch(text):
        raise InvalidIdentifier(_SPREADSHEET)
    digits = _NON_DIGIT.sub("", text)
    if len(digits) < MIN_PHONE_DIGITS:
        raise InvalidIdentifier(_SHORT_PHONE)
    if len(digits) > MAX_PHONE_DIGITS:
        raise InvalidIdentifier(
            f"must be one phone number of at most {MAX_PHONE_DIGITS} digits; separate several by |"
        )
    if not _PHONE.fullmatch(text):
        raise InvalidIdentifier(
            "must be a phone number of digits and punctuation only, without letters or an extension"
        )
    number = f"+{digits}" if text.startswith("+") else digits
    changes.update([PUNCTUATION] if number != text else [])
    return number


_NORMALIZERS: Mapping[str, _Normalize] = {
    "externIds": _extern_ids,
    "leadIds": _lead_ids,
    "leadPhoneNumbers": _phones,
}


def same_identifier(key: str, value: object) -> str:
    """Return a text that is equal for values that RingCX may consider the same identifier.

    :param key: kind of the identifier.
    :param value: the identifier, from a list of ids or from a lead.
    :return: the text: without case, or the digits of a phone number without the country code 1.
    """
    if key != "leadPhoneNumbers":
        return str(value).strip().casefold()
    digits = _NON_DIGIT.sub("", str(value))
    return digits[1:] if len(digits) == 11 and digits[0] == "1" else digits
