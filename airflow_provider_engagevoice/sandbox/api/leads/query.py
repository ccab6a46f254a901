"""Turns ``CampaignLeadSearchCriteria`` into SQL. Source of the fields: contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.ringcx.spec.enums import (
    COMPARISONS,
    LEAD_STATES,
    SUPPRESSED,
    SYSTEM_DISPOSITIONS,
)
from airflow_provider_engagevoice.sandbox.http.errors import Invalid, Refusal, refused_values
from airflow_provider_engagevoice.sandbox.http.parsing import (
    read_boolean,
    read_choice,
    read_integer,
    read_list,
    read_moment,
    read_number,
    read_object,
    read_text,
)
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits


@dataclass(frozen=True)
class Condition:
    """A part of a WHERE clause over the table ``leads``, here named ``l``.

    :param sql: the text, made of constants only.
    :param values: what is bound to it, in order.
    """

    sql: str
    values: tuple[object, ...] = ()


Reader = Callable[[object], "Condition | None"]

#: A field whose value selects nothing in particular is no filter. Null and empty lists: assumed, and
#: relied on by the guide's samples. Blank texts: assumed.
_NO_FILTER: tuple[object, ...] = (None, [], "")

_SIGNS = {"GREATER_THAN": ">", "LESS_THAN": "<", "EQUALS": "="}


def conditions_of(criteria: object, account: str, settings: Settings) -> Condition:
    """Turn search criteria into one condition; filters combine with AND, values of a list with OR.

    Unknown properties are ignored (observed), so a misspelt filter widens the search.

    :param criteria: the untrusted JSON value; None and an empty object mean the whole account (assumed).
    :param account: the sub-account searched.
    :param settings: whether a filter is required, ``campaignId`` counts as one more of ``campaignIds``,
        lists may be long, and texts match in part.
    :return: the condition.
    :raises Refusal: with status 400, naming every bad value.
    """
    if criteria is None:
        criteria = {}
    if not isinstance(criteria, dict):
        raise refused_values([Invalid("campaignLeadSearchCriteria", "must be an object")])
    fields = _with_campaign_id(criteria) if settings.honour_campaign_id else criteria
    found, invalid = [Condition("l.accountId = ?", (account,))], []
    for name, reader in _FIELDS[settings.text_match].items():
        value = fields.get(name)
        if value in _NO_FILTER:
            continue
        try:
            check_length(value, settings.id_cap)
            condition = reader(value)
        except ValueError as error:
            invalid.append(Invalid.of(name, error, value))
        else:
            found += [condition] if condition else []
    if invalid:
        raise refused_values(invalid)
    if settings.strict_criteria and len(found) == 1:
        raise Refusal(400, "The search criteria must hold at least one filter")
    return all_of(found)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Combine conditions, at least one, with AND."""
    return Condition(
        " AND ".join(condition.sql for condition in conditions),
        tuple(value for condition in conditions for value in condition.values),
    )


def _with_campaign_id(criteria: dict[str, object]) -> dict[str, object]:
    """Add ``campaignId`` to ``campaignIds``."""
    single = criteria.get("campaignId")
    several = criteria.get("campaignIds") or []
    if single is None or not isinstance(several, list):
        return criteria
    return {**criteria, "campaignIds": [*several, single]}


def check_length(value: object, cap: int) -> None:
    """Refuse a list that is longer than a cap; 0 stands for none."""
    if cap and isinstance(value, list) and len(value) > cap:
        raise ValueError(f"must hold at most {cap} values")


def _among(column: str, item: Callable[[object], object]) -> Reader:
    """Filter by a list of values, compared exactly, so that an index serves it."""
    read = read_list(item)
    return lambda value: Condition(
        f"l.{column} IN (SELECT value FROM json_each(?))", (json.dumps(read(value)),)
    )


def _texts(column: str) -> Reader:
    """Filter by a list of texts, in any case (assumed)."""
    read = read_list(read_text)

    def condition(value: object) -> Condition:
        folded = json.dumps([text.casefold() for text in read(value)])
        return Condition(f"casefold(l.{column}) IN (SELECT value FROM json_each(?))", (folded,))

    return condition


def read_state(value: object) -> str:
    """Read a lead state; the guide prints them with underscores, the contract with hyphens."""
    return read_choice(LEAD_STATES)(value.replace("_", "-") if isinstance(value, str) else value)


def _whole_text(column: str) -> Reader:
    """Filter by one text, whole and in any case (assumed)."""
    return lambda value: Condition(f"casefold(l.{column}) = ?", (read_text(value).casefold(),))


def _part_of_text(column: str) -> Reader:
    """Filter by a part of a text, in any case (assumed)."""
    return lambda value: Condition(f"instr(casefold(l.{column}), ?)", (read_text(value).casefold(),))


def _id(column: str) -> Reader:
    """Filter by one id."""
    return lambda value: Condition(f"l.{column} = ?", (read_integer(value),))


def _read_zone(value: object) -> str:
    """Read a time zone, an object with a name. Source: guide and contract."""
    return read_text(read_object(value).get("name"))


def having_numbers(numbers: Iterable[str]) -> Condition:
    """Choose the leads that have one of these phone numbers, in any spelling."""
    return Condition(
        "l.leadId IN (SELECT leadId FROM lead_phones WHERE digits IN (SELECT value FROM json_each(?)))",
        (json.dumps([phone_digits(number) for number in numbers]),),
    )


def _phones(value: object) -> Condition:
    """Filter by whole phone numbers; any number of a lead may match (assumed)."""
    return having_numbers(read_list(read_text)(value))


def _part_of_phone(value: object) -> Condition:
    """Filter by a part of a phone number (assumed)."""
    digits = phone_digits(read_text(value))
    if not digits:
        raise ValueError("must hold digits")
    return Condition("l.leadId IN (SELECT leadId FROM lead_phones WHERE instr(digits, ?))", (digits,))


def _suppressed(value: object) -> Condition | None:
    """Filter by suppression."""
    word = read_choice(SUPPRESSED)(value)
    return None if word == "ALL" else Condition("l.suppressed = ?", (word == "ONLY_SUPPRESSED",))


def _orphaned(value: object) -> Condition | None:
    """Filter leads reserved for an agent who is not assigned to their dial group (assumed meaning)."""
    if not read_boolean(value):
        return None
    return Condition(
        "l.pendingAgentId IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dial_group_agents d"
        " JOIN campaigns c ON c.dialGroupId = d.dialGroupId"
        " WHERE c.campaignId = l.campaignId AND d.agentId = l.pendingAgentId)"
    )


def _bound(column: str, sign: str) -> Reader:
    """Filter by the end of a span of time; the end belongs to it (assumed)."""
    return lambda value: Condition(f"l.{column} {sign} ?", (read_moment(value),))


def _comparison(column: str, read: Callable[[object], float]) -> Reader:
    """Filter by a comparison, ``{"operator": ..., "value": ...}``."""

    def condition(value: object) -> Condition:
        parts = read_object(value)
        operator = read_choice(COMPARISONS)(parts.get("operator"))
        return Condition(f"l.{column} {_SIGNS[operator]} ?", (read(parts.get("value")),))

    return condition


def _fields(text: Callable[[str], Reader]) -> dict[str, Reader]:
    """Return the readers of all criteria, with one for texts."""
    return {
        "leadIds": _among("leadId", read_integer),
        "listIds": _among("listId", read_integer),
        "campaignIds": _among("campaignId", read_integer),
        "externIds": _among("externId", read_text),
        "leadPhoneNumbers": _phones,
        "leadStates": _among("leadState", read_state),
        "systemDispositions": _among("lastPassDisposition", read_choice(SYSTEM_DISPOSITIONS)),
        "agentDispositions": _texts("agentDisposition"),
        "physicalStates": _texts("state"),
        "leadTimezones": _among("leadTimezone", _read_zone),
        "leadPhoneNum": _part_of_phone,
        "emailAddress": text("email"),
        **{
            name: text(name)
            for name in (
                "callerId", "firstName", "lastName", "address1", "address2", "city", "zip",
                "auxData1", "auxData2", "auxData3", "auxData4", "auxData5",
            )
        },
        "pendingAgentId": _id("pendingAgentId"),
        "agentId": _id("lastPassAgentId"),
        "orphanedLeadsOnly": _orphaned,
        "suppressed": _suppressed,
        "loadedDtsStart": _bound("loadedDts", ">="),
        "loadedDtsEnd": _bound("loadedDts", "<="),
        "nextDialTimeCriteria": _comparison("nextDialTime", read_moment),
        "lastPassTimeCriteria": _comparison("lastPassDts", read_moment),
        "leadPassesCriteria": _comparison("leadPasses", read_number),
    }  # fmt: skip


#: By the setting ``text_match``.
_FIELDS: Mapping[str, dict[str, Reader]] = {"whole": _fields(_whole_text), "part": _fields(_part_of_text)}
