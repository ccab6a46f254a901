"""Removal of personal data from texts of RingCX and from paths, before they are logged or raised."""

from __future__ import annotations

import re

from airflow_provider_engagevoice.ringcx.spec.enums import LEAD_STATES, LIST_STATES, SYSTEM_DISPOSITIONS

_HIDDEN = "…"
_MAX_LENGTH = 300

#: Mail addresses, also with a blank, ``%40`` or ``(at)`` around the sign.
_ADDRESSES = re.compile(
    r"(?:\"[^\"]*\"|[^\s@\uff20,;<>()\[\]\"']+)"
    r"(?:\s?[@\uff20]\s?|%40|\s?[(\[{]\s?at\s?[)\]}]\s?)"
    r"(?:\[[^\]]*\]|[^\s,;<>()\[\]\"']+)(?:\s?[(\[{]\s?dot\s?[)\]}]\s?\w+)*",
    re.IGNORECASE,
)
#: Numbers that may be phone numbers or dates: seven digits and more, separated by anything but words.
_NUMBERS = re.compile(r"[+(]*\d(?:[^\w]{0,5}\d|_\d){6,}")
_QUOTED = re.compile(
    r"\"[^\"]*\"|(?<!\w)'.*?'(?!\w)|`[^`]*`|“[^”]*”|\u2018[^\u2019]*\u2019|«[^»]*»"
    r"|<[^<>]*>|(?<!\w)\[[^\[\]]*\]|(?<!\w)\{[^{}]*\}"
)
_UNCLOSED_QUOTE = re.compile(r"[\"“«`]\s?[^\s,;]+")
#: Numbers and lists of them after a word that says that they belong to a lead.
_LEAD_NUMBERS = re.compile(
    r"(?i)(\b(?:leads?|contacts?|customers?|leadIds?|externIds?|\w*phone\w*|(?:zip|postal|birth)\w*)\b"
    r"(?:\s+(?:with|of|and|ids?|numbers?|no\.?|codes?))*\s*[:=#]?\s*[\[(]?\s*)(\d+(?:\s*,\s*\d+)*)"
)
#: Values of a lead's fields: after an equals sign, or after a colon if they do not begin a sentence.
_FIELD_VALUE = re.compile(
    r"(?i)(\b(?:externIds?|leadIds?|\w*phone\w*|e-?mails?|\w*names?|(?:address|zip|auxData)\w*|city)"
    r"\s*([:=])\s*)"
    r"([^\s,;)\]]+)"
)
_NAMED = re.compile(
    r"(?i)(?<![\w.])"
    r"((?:contact|customer|consumer|person|(?:first|last|middle|full)[ _]?name|named|mr|mrs|ms|dr)\b\.?\s+)"
    r"([^\W\d_][\w'\u2019.-]*(?:\s+[^\W\d_][\w'\u2019.-]*)?)"
)
#: Text between blanks and brackets: a word, an id, a number.
_TOKEN = re.compile(r"[^\s,;:()<>\[\]{}\"“”\u2018«»`=!?|]+")
_FIELD_NAME = re.compile(r"[a-z]+(?:[A-Z][a-z]+)+s?|[A-Z]+(?:_[A-Z]+)+|[a-z]+(?:\.[a-z]+)+")
#: Codes and units that contain a digit and are no id. Source of the codes: RingCentral's guide, "Errors".
_CODE = re.compile(
    r"(?:CMN|OAU|AGW|RST|SIN)-\d{3}|v\d+(?:\.\d+)*|(?:HTTP|TLSv?)/?\d(?:\.\d)?|UTC[+-]?\d{0,2}|UTF-?8"
    r"|OAuth2|Base64|int(?:32|64)|E\.?164|\d+(?:\.\d+)?(?:st|nd|rd|th|s|ms|min|h|%|k|KB|MB|KiB|MiB)",
    re.IGNORECASE,
)
_CAPITALIZED = re.compile(r"[A-Z][\w'\u2019.-]*")
_SMALL_NUMBER = re.compile(r"[+-]?\d{1,6}(?:\.\d{1,6})?[.%]?", re.ASCII)
#: Words of RingCX's and HTTP's own messages that may begin with a capital letter, or follow a field.
# fmt: off
_OWN_WORDS = frozenset(
    {
        "a", "access", "account", "action", "active", "actions", "after", "agent", "already", "allowed",
        "an", "and", "api", "are", "argument", "at", "authorization", "bad", "be", "been", "before", "body",
        "by", "call", "campaign", "campaigns", "can", "can't", "cannot", "conflict", "contains", "content",
        "could", "couldn't", "created", "data", "delete", "denied", "dial", "dialer", "did", "disallowed",
        "do", "does", "doesn't", "duplicate", "each", "empty", "error", "exceeded", "exceeds", "exist",
        "exists", "expected", "expired", "external", "failed", "field", "fields", "file", "for",
        "forbidden", "format", "found", "from", "gateway", "get", "group", "groups", "had", "has", "have",
        "head", "header", "http", "https", "i", "id", "ids", "if", "in", "internal", "invalid", "is",
        "isn't", "it", "its", "json", "jwt", "large", "lead", "leads", "length", "limit", "list", "lists",
        "load", "loading", "locked", "long", "malformed", "many", "match", "matches", "max", "may", "media",
        "message", "method", "min", "missing", "move", "moved", "must", "name", "no", "none", "not", "null",
        "number", "numeric", "of", "on", "only", "operation", "option", "or", "page", "parameter", "parse",
        "patch", "payload", "permission", "phone", "post", "put", "query", "range", "rate", "rejected",
        "request", "requests", "required", "resource", "response", "ringcentral", "ringcx", "search",
        "server", "service", "should", "size", "state", "states", "status", "sub-account", "supplied",
        "suppressed", "syntax", "text", "than", "that", "the", "their", "there", "they", "this", "time",
        "timeout", "to", "token", "too", "type", "unable", "unauthorized", "unavailable", "unexpected",
        "unknown", "unprocessable", "unsupported", "uri", "url", "user", "utc", "validation", "value",
        "values", "was", "were", "will", "with", "wrong", "xml", "you", "your",
        *(word.lower() for word in (*LEAD_STATES, *LIST_STATES, *SYSTEM_DISPOSITIONS)),
    }
)
# fmt: on

_PHONE_IN_PATH = re.compile(r"(?:\+|%2B)?\d(?:(?:[\s().-]|%2[0BD89]){0,3}\d){9,}", re.IGNORECASE)
_EMAIL_IN_PATH = re.compile(r"[^/?]+(?:@|%40)[^/?]+", re.IGNORECASE)
_TOKEN_IN_PATH = re.compile(r"(?<=/admin/token/)[^/?]+")


def sanitize(text: str) -> str:
    """Return text of the service in a form that is safe to log.

    RingCX's messages can repeat values of leads. What may be one is replaced by ``…``: mail addresses, phone
    numbers, numbers of seven digits and more, smaller ones after a word such as "lead", values in quotation
    marks or brackets, words with digits, words in other scripts, and names of persons as far as they can be
    recognized: two capitalized words in a row, one inside a sentence, or words after "customer" and the like.

    :param text: the text.
    :return: one printable line of at most 300 characters.
    """
    line = _ADDRESSES.sub(_HIDDEN, _printable(text))
    line = _QUOTED.sub(lambda found: found[0] if _is_known(found[0][1:-1]) else _hide_quoted(found[0]), line)
    line = _UNCLOSED_QUOTE.sub(lambda found: found[0] if _is_known(found[0]) else _HIDDEN, line)
    line = _NUMBERS.sub(_HIDDEN, line)
    line = _LEAD_NUMBERS.sub(rf"\1{_HIDDEN}", line)
    line = _FIELD_VALUE.sub(_hide_field_value, line)
    line = _NAMED.sub(lambda found: found[1] + _hide_unknown(found[2]), line)
    line = _hide_words(line)
    return re.sub(rf"{_HIDDEN}(?:[\s,.]*{_HIDDEN})+", _HIDDEN, line)[:_MAX_LENGTH]


def sanitize_path(url: str) -> str:
    """Return a path or URL in a form that is safe to log.

    :param url: the path or URL.
    :return: one printable line of at most 300 characters, without the query; permanent tokens are replaced by
        ``***``, mail addresses and numbers of ten digits and more, which may be a lead's, by ``…``.
    """
    path = _TOKEN_IN_PATH.sub("***", _printable(url).partition("?")[0])
    return _EMAIL_IN_PATH.sub(_HIDDEN, _PHONE_IN_PATH.sub(_HIDDEN, path))[:_MAX_LENGTH]


def _printable(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:2000]).split())


def _is_known(text: str) -> bool:
    """Return whether a text consists of names of fields and of RingCX's own values and words."""
    words = _TOKEN.findall(text)
    return all(_FIELD_NAME.fullmatch(word) or word.lower() in _OWN_WORDS for word in words)


def _hide_quoted(quoted: str) -> str:
    """Return the place of a quoted value; brackets stay, since they may belong to the sentence."""
    return f"{quoted[0]}{_HIDDEN}{quoted[-1]}" if quoted[0] in "<[{" else _HIDDEN


def _hide_field_value(found: re.Match[str]) -> str:
    begins_sentence = found[2] == ":" and found[3].lower().strip(".'") in _OWN_WORDS
    return found[0] if begins_sentence else f"{found[1]}{_HIDDEN}"


def _hide_unknown(words: str) -> str:
    return " ".join(word if _is_known(word.rstrip(".")) else _HIDDEN for word in words.split())


def _hide_words(line: str) -> str:
    """Hide the words of a line that may be an id or a name."""
    tokens = list(_TOKEN.finditer(line))
    hidden = [_may_be_id(token[0]) for token in tokens]
    for number, token in enumerate(tokens):
        if _may_be_name(token[0]):
            before = line[tokens[number - 1].end() : token.start()] if number else ""
            follows_name = number > 0 and _may_be_name(tokens[number - 1][0]) and before in (" ", ", ")
            if follows_name:
                hidden[number - 1] = True
            ends_sentence = number == 0 or before.strip() or tokens[number - 1][0].endswith(".")
            hidden[number] = hidden[number] or follows_name or not ends_sentence
    for token, hide in reversed(list(zip(tokens, hidden, strict=True))):
        if hide:
            line = line[: token.start()] + _HIDDEN + line[token.end() :]
    return line


def _may_be_id(word: str) -> bool:
    if not word.isascii():
        return any(character.isalnum() for character in word)
    if _SMALL_NUMBER.fullmatch(word) or _CODE.fullmatch(word.strip(".")):
        return False
    return any(character.isdigit() for character in word)


def _may_be_name(word: str) -> bool:
    known = _FIELD_NAME.fullmatch(word) or word.rstrip(".").lower() in _OWN_WORDS
    return bool(_CAPITALIZED.fullmatch(word)) and not known and not _CODE.fullmatch(word)
