"""Likely causes if none of many identifiers matches a lead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any


def salesforce_id_18(text: str) -> str:
    """Return the 18-letter form of a 15-letter Salesforce id.

    :param text: the id. Its three last letters encode which letters are capitals.
    :return: the longer form.
    """
    suffix = ""
    for start in (0, 5, 10):
        capitals = sum(2**n for n, letter in enumerate(text[start : start + 5]) if letter in _CAPITALS)
        suffix += _SUFFIX_LETTERS[capitals]
    return text + suffix


_CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SUFFIX_LETTERS = f"{_CAPITALS}012345"
_SALESFORCE = re.compile(r"[0-9A-Za-z]{15}|[0-9A-Za-z]{18}")


def near_misses(key: str, value: Any) -> dict[str, str]:
    """Return identifiers that differ from one only in a way in which systems often differ.

    :param key: kind of the identifier.
    :param value: the identifier, normalized.
    :return: for each variant, how the lead's identifier differs from the value.
    """
    text = str(value)
    variants: dict[str, str] = {}
    if key == "leadPhoneNumbers":
        digits = text.lstrip("+")
        national = digits.removeprefix("00").lstrip("0")
        for variant in (f"+{digits}", digits, national, f"1{digits}", f"+1{digits}", digits[1:], digits[2:]):
            variants.setdefault(variant, "in the country code")
    elif key == "externIds":
        for variant in (text.upper(), text.lower()):
            variants.setdefault(variant, "in upper and lower case")
        for variant in (text.lstrip("0"), *(text.zfill(width) for width in range(len(text) + 1, 13))):
            if text.isdecimal():
                variants.setdefault(variant, "in leading zeros")
        variants.setdefault(f"{text}.0", "in a trailing .0")
        for variant in (f"{text} ", f" {text}", re.sub(r"\s+", "", text), re.sub(r"\s+", " ", text)):
            variants.setdefault(variant, "in blanks")
        for form in ("NFC", "NFD"):
            variants.setdefault(unicodedata.normalize(form, text), "in the Unicode form of its accents")
        if _SALESFORCE.fullmatch(text):
            longer = salesforce_id_18(text) if len(text) == 15 else text[:15]
            variants.setdefault(longer, "in having 15 or 18 letters, as Salesforce ids have")
    variants.pop(text, None)
    variants.pop("", None)
    return variants


def explain_no_match(ids: Iterable[Any], key: str) -> str:
    """Return likely causes why none of some identifiers matches a lead, as far as they themselves show it.

    :param ids: the identifiers; the first 1,000 are looked at.
    :param key: their kind: ``externIds``, ``leadIds`` or ``leadPhoneNumbers``.
    :return: sentences without any value, beginning with a capital letter.
    """
    texts = [str(value) for value, _ in zip(ids, range(1000), strict=False)]
    causes = [
        text for text, test in _HINTS.get(key, {}).items() if texts and sum(map(test, texts)) * 2 > len(texts)
    ]
    causes.append(_GENERAL_HINTS.get(key, "Check that the ids belong to this sub-account"))
    return ". ".join(causes)


_HINTS: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "externIds": {
        "They have 15 letters as short Salesforce ids have; RingCX may hold the 18-letter ids": (
            lambda text: len(text) == 15 and _SALESFORCE.fullmatch(text) is not None
        ),
        "They have 18 letters as long Salesforce ids have; RingCX may hold the 15-letter ids": (
            lambda text: len(text) == 18 and _SALESFORCE.fullmatch(text) is not None
        ),
        "They are numbers, which may have lost leading zeros": lambda text: text.isdecimal(),
        "They look like phone numbers; source_as or the criterion may be the wrong one": (
            lambda text: text.startswith("+") and len(re.sub(r"[^0-9]", "", text)) >= 10
        ),
        "They contain a comma, semicolon or tab; several ids may be in one line": (
            lambda text: any(separator in text for separator in ",;\t|")
        ),
    },
    "leadPhoneNumbers": {
        "They have no country code; RingCX may hold numbers with one": lambda text: len(text) == 10,
        "They have a country code; RingCX may hold numbers without one": lambda text: text.startswith("+"),
        "They begin with 00; RingCX may hold +": lambda text: text.startswith("00"),
    },
}

_GENERAL_HINTS = {
    "externIds": (
        "Check case, blanks, leading zeros and a trailing .0 against the leads, and the other criteria"
    ),
    "leadPhoneNumbers": "Check the country code against the leads, and the other criteria",
    "leadIds": "Check that they are RingCX's own ids, not yours (externIds), and the other criteria",
}
