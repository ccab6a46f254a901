"""Translates ``CampaignLeadSearchCriteria`` to SQL. Source of the fields: contract."""

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
from airflow_provider_engagevoice.sandbox.http.errors import ApiError, InvalidValue, validation_error
from airflow_provider_engagevoice.sandbox.http.parsing import (
    choice_parser,
    list_parser,
    parse_boolean,
    parse_integer,
    parse_number,
    parse_object,
    parse_text,
    parse_timestamp,
)
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits


@dataclass(frozen=True)
class Condition:
    """A WHERE condition over the table ``leads``, aliased ``l``.

    :param sql: the SQL text; it holds constants only.
    :param values: its bound parameters, in order.
    """

    sql: str
    values: tuple[object, ...] = ()


ConditionParser = Callable[[object], "Condition | None"]

#: Field values that do not filter. Null and empty lists: assumed; the guide's samples rely on it. Empty
#: strings: assumed.
_NO_FILTER: tuple[object, ...] = (None, [], "")

_SQL_OPERATORS = {"GREATER_THAN": ">", "LESS_THAN": "<", "EQUALS": "="}


def build_condition(criteria: object, account: str, settings: Settings) -> Condition:
    """Return one condition for search criteria; filters combine by AND, values of a list by OR.

    Unknown properties are ignored (observed), so a misspelled filter widens the search.

    :param criteria: the untrusted JSON value; None and an empty object select the whole account (assumed).
    :param account: the sub-account to search.
    :param settings: ``strict_criteria`` requires a filter, ``honour_campaign_id`` adds ``campaignId`` to
        ``campaignIds``, ``id_cap`` limits the length of lists, ``text_match`` selects whole or partial match.
    :return: the condition.
    :raises ApiError: with status 400, naming every invalid value.
    """
    if criteria is None:
        criteria = {}
    if not isinstance(criteria, dict):
        raise validation_error([InvalidValue("campaignLeadSearchCriteria", "must be an object")])
    fields = _with_campaign_id(criteria) if settings.honour_campaign_id else criteria
    conditions, invalid = [Condition("l.accountId = ?", (account,))], []
    for name, parser in _CRITERIA[settings.text_match].items():
        value = fields.get(name)
        if value in _NO_FILTER:
            continue
        try:
            check_length(value, settings.id_cap)
            condition = parser(value)
        except ValueError as error:
            invalid.append(InvalidValue.of(name, error, value))
        else:
            conditions += [condition] if condition else []
    if invalid:
        raise validation_error(invalid)
    if settings.strict_criteria and len(conditions) == 1:
        raise ApiError(400, "The search criteria must hold at least one filter")
    return all_of(conditions)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Combine one or more conditions by AND."""
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
    """Raise ValueError if a list is longer than a cap; 0 means no cap."""
    if cap and isinstance(value, list) and len(value) > cap:
        raise ValueError(f"must hold at most {cap} values")


def _in_list(column: str, item: Callable[[object], object]) -> ConditionParser:
    """Filter by a list of values; the comparison is exact, so that an index can be used."""
    parse = list_parser(item)
    return lambda value: Condition(
        f"l.{column} IN (SELECT value FROM json_each(?))", (json.dumps(parse(value)),)
    )


def _texts(column: str) -> ConditionParser:
    """Filter by a list of texts, case-insensitively (assumed)."""
    parse = list_parser(parse_text)

    def condition(value: object) -> Condition:
        folded = json.dumps([text.casefold() for text in parse(value)])
        return Condition(f"casefold(l.{column}) IN (SELECT value FROM json_each(?))", (folded,))

    return condition


def parse_state(value: object) -> str:
    """Parse a lead state; the guide writes states with underscores, the contract with hyphens."""
    return choice_parser(LEAD_STATES)(value.replace("_", "-") if isinstance(value, str) else value)


def _whole_text(column: str) -> ConditionParser:
    """Filter by a whole text, case-insensitively (assumed)."""
    return lambda value: Condition(f"casefold(l.{column}) = ?", (parse_text(value).casefold(),))


def _partial_text(column: str) -> ConditionParser:
    """Filter by a part of a text, case-insensitively (assumed)."""
    return lambda value: Condition(f"instr(casefold(l.{column}), ?)", (parse_text(value).casefold(),))


def _id(column: str) -> ConditionParser:
    """Filter by one id."""
    return lambda value: Condition(f"l.{column} = ?", (parse_integer(value),))


def _parse_zone(value: object) -> str:
    """Parse a time zone, an object with a name. Source: guide and contract."""
    return parse_text(parse_object(value).get("name"))


def with_phone_numbers(numbers: Iterable[str]) -> Condition:
    """Return the condition for leads with one of these phone numbers, in any format."""
    return Condition(
        "l.leadId IN (SELECT leadId FROM lead_phones WHERE digits IN (SELECT value FROM json_each(?)))",
        (json.dumps([phone_digits(number) for number in numbers]),),
    )


def _parse_phones(value: object) -> Condition:
    """Filter by whole phone numbers; each number of a lead may match (assumed)."""
    return with_phone_numbers(list_parser(parse_text)(value))


def _parse_phone_part(value: object) -> Condition:
    """Filter by a part of a phone number (assumed)."""
    digits = phone_digits(parse_text(value))
    if not digits:
        raise ValueError("must contain digits")
    return Condition("l.leadId IN (SELECT leadId FROM lead_phones WHERE instr(digits, ?))", (digits,))


def _parse_suppressed(value: object) -> Condition | None:
    """Filter by suppression."""
    choice = choice_parser(SUPPRESSED)(value)
    return None if choice == "ALL" else Condition("l.suppressed = ?", (choice == "ONLY_SUPPRESSED",))


def _parse_orphaned(value: object) -> Condition | None:
    """Filter by leads reserved for an agent not assigned to their dial group (assumed meaning)."""
    if not parse_boolean(value):
        return None
    return Condition(
        "l.pendingAgentId IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dial_group_agents d"
        " JOIN campaigns c ON c.dialGroupId = d.dialGroupId"
        " WHERE c.campaignId = l.campaignId AND d.agentId = l.pendingAgentId)"
    )


def _range_bound(column: str, sign: str) -> ConditionParser:
    """Filter by the bound of a time range, inclusively (assumed)."""
    return lambda value: Condition(f"l.{column} {sign} ?", (parse_timestamp(value),))


def _comparison(column: str, parse: Callable[[object], float]) -> ConditionParser:
    """Filter by a comparison, ``{"operator": ..., "value": ...}``."""

    def condition(value: object) -> Condition:
        parts = parse_object(value)
        operator = choice_parser(COMPARISONS)(parts.get("operator"))
        return Condition(f"l.{column} {_SQL_OPERATORS[operator]} ?", (parse(parts.get("value")),))

    return condition


def _criteria(text: Callable[[str], ConditionParser]) -> dict[str, ConditionParser]:
    """Return the parsers of all criteria; ``text`` parses the text criteria."""
    return {
        "leadIds": _in_list("leadId", parse_integer),
        "listIds": _in_list("listId", parse_integer),
        "campaignIds": _in_list("campaignId", parse_integer),
        "externIds": _in_list("externId", parse_text),
        "leadPhoneNumbers": _parse_phones,
        "leadStates": _in_list("leadState", parse_state),
        "systemDispositions": _in_list("lastPassDisposition", choice_parser(SYSTEM_DISPOSITIONS)),
        "agentDispositions": _texts("agentDisposition"),
        "physicalStates": _texts("state"),
        "leadTimezones": _in_list("leadTimezone", _parse_zone),
        "leadPhoneNum": _parse_phone_part,
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
        "orphanedLeadsOnly": _parse_orphaned,
        "suppressed": _parse_suppressed,
        "loadedDtsStart": _range_bound("loadedDts", ">="),
        "loadedDtsEnd": _range_bound("loadedDts", "<="),
        "nextDialTimeCriteria": _comparison("nextDialTime", parse_timestamp),
        "lastPassTimeCriteria": _comparison("lastPassDts", parse_timestamp),
        "leadPassesCriteria": _comparison("leadPasses", parse_number),
    }  # fmt: skip


#: Parsers of the criteria, by the setting ``text_match``.
_CRITERIA: Mapping[str, dict[str, ConditionParser]] = {
    "whole": _criteria(_whole_text),
    "part": _criteria(_partial_text),
}
