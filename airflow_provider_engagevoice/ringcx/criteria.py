"""Search criteria of leads, as the author of a DAG writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import date
from enum import Enum
from typing import Any, Protocol, TypeAlias

__all__ = ["LeadSearchCriteria"]


class CriterionKind(str, Enum):
    """Type of a criterion's value, in the words of error messages."""

    IDS = "a list of ids"
    TEXTS = "a list of texts"
    PHONES = "a list of phone numbers"
    STATES = "a list of lead states"
    DISPOSITIONS = "a list of system dispositions"
    TIMEZONES = "a list of time zones"
    ID = "an id"
    TEXT = "a text"
    PHONE_FRAGMENT = "a part of a phone number"
    BOOLEAN = "true or false"
    SUPPRESSED = "a suppression"
    DATETIME = "a date and time"
    NUMBER_COMPARISON = "an operator and a number"
    DATETIME_COMPARISON = "an operator and a date and time"


class Role(str, Enum):
    """Purpose of a criterion, which decides what an empty value means."""

    IDENTITY = "identity"
    CAMPAIGN = "campaign"
    LIST = "list"
    FILTER = "filter"


class _Unset(Enum):
    UNSET = "not set"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset.UNSET
"""Default of a criterion that is left out. None is not left out: a template that renders as None selects
nothing."""


class TaskOutput(Protocol):
    """The output of another task, such as ``task.output``: Airflow resolves it when the task runs."""

    def resolve(self, context: Any) -> Any:
        """Return the value.

        :param context: the task's context.
        """


# Each value may be text with a template, or the output of another task.
Ids: TypeAlias = Iterable[int | str] | str | TaskOutput
Texts: TypeAlias = Iterable[str] | str | TaskOutput
Zones: TypeAlias = Iterable[str | Mapping[str, str]] | str | TaskOutput
Id: TypeAlias = int | str | TaskOutput
Text: TypeAlias = str | TaskOutput
Flag: TypeAlias = bool | str | TaskOutput
Moment: TypeAlias = date | str | TaskOutput
Comparison: TypeAlias = Mapping[str, Any] | str | TaskOutput


def _criterion(key: str, kind: CriterionKind, role: Role = Role.FILTER) -> Any:
    return field(default=UNSET, metadata={"key": key, "kind": kind, "role": role})


@dataclass(eq=False, repr=False)
class LeadSearchCriteria(dict[str, Any]):
    """Search criteria with snake_case names, checked by the editor.

    It *is* the dict that RingCX's guide shows: ``LeadSearchCriteria(extern_ids=["A-1"])`` equals
    ``{"externIds": ["A-1"]}``. Every field may be a Jinja template or the output of another task.
    Filters combine with AND, the values inside one list with OR. A field that is left out means "any";
    a field that is set but empty never does (see docs/search-criteria.md, "Empty values"). A key that is set
    as an item is also the field of that name, for example in ``dataclasses.replace``.

    Names and types are those of the contract's ``CampaignLeadSearchCriteria``.

    :param campaign_ids: campaigns (list of int).
    :param campaign_id: one more campaign (int). It is in the guide's samples but in no schema.
    :param list_ids: loaded lists (list of int); together with a campaign.
    :param lead_ids: RingCX's own lead ids (list of int).
    :param extern_ids: your ids (list of str). One external id may match several leads.
    :param lead_phone_numbers: phone numbers (list of str).
    :param lead_states: states such as ``READY`` (list of str, see ``spec.enums.LEAD_STATES``).
    :param system_dispositions: outcome of the last call (list of str).
    :param agent_dispositions: dispositions that the agent chose (list of str); together with a campaign.
    :param physical_states: two-letter states (list of str).
    :param lead_timezones: time zones (list of names, or of ``{"name": ..., "description": ...}``).
    :param caller_id: caller id (str).
    :param lead_phone_num: part of a phone number (str).
    :param first_name: (str)
    :param last_name: (str)
    :param address1: (str)
    :param address2: (str)
    :param city: (str)
    :param zip: (str)
    :param email_address: (str)
    :param aux_data1: (str)
    :param aux_data2: (str)
    :param aux_data3: (str)
    :param aux_data4: (str)
    :param aux_data5: (str)
    :param pending_agent_id: agent the lead is reserved for (int).
    :param agent_id: agent of the last call (int).
    :param orphaned_leads_only: only orphaned leads (bool).
    :param suppressed: ``ONLY_SUPPRESSED``, ``ONLY_UNSUPPRESSED`` or ``ALL``.
    :param loaded_dts_start: loaded at or after this time (datetime or ISO text; UTC if it has no zone).
    :param loaded_dts_end: loaded at or before this time.
    :param next_dial_time_criteria: next dial time: ``{"operator": "LESS_THAN", "value": datetime}``.
    :param last_pass_time_criteria: last pass: ``{"operator": "GREATER_THAN", "value": datetime}``.
    :param lead_passes_criteria: number of passes: ``{"operator": "EQUALS", "value": 3}``.
    """

    campaign_ids: Ids = _criterion("campaignIds", CriterionKind.IDS, Role.CAMPAIGN)
    campaign_id: Id = _criterion("campaignId", CriterionKind.ID, Role.CAMPAIGN)
    list_ids: Ids = _criterion("listIds", CriterionKind.IDS, Role.LIST)
    lead_ids: Ids = _criterion("leadIds", CriterionKind.IDS, Role.IDENTITY)
    extern_ids: Texts = _criterion("externIds", CriterionKind.TEXTS, Role.IDENTITY)
    lead_phone_numbers: Texts = _criterion("leadPhoneNumbers", CriterionKind.PHONES, Role.IDENTITY)
    lead_states: Texts = _criterion("leadStates", CriterionKind.STATES)
    system_dispositions: Texts = _criterion("systemDispositions", CriterionKind.DISPOSITIONS)
    agent_dispositions: Texts = _criterion("agentDispositions", CriterionKind.TEXTS)
    physical_states: Texts = _criterion("physicalStates", CriterionKind.TEXTS)
    lead_timezones: Zones = _criterion("leadTimezones", CriterionKind.TIMEZONES)
    caller_id: Text = _criterion("callerId", CriterionKind.TEXT)
    lead_phone_num: Text = _criterion("leadPhoneNum", CriterionKind.PHONE_FRAGMENT)
    first_name: Text = _criterion("firstName", CriterionKind.TEXT)
    last_name: Text = _criterion("lastName", CriterionKind.TEXT)
    address1: Text = _criterion("address1", CriterionKind.TEXT)
    address2: Text = _criterion("address2", CriterionKind.TEXT)
    city: Text = _criterion("city", CriterionKind.TEXT)
    zip: Text = _criterion("zip", CriterionKind.TEXT)
    email_address: Text = _criterion("emailAddress", CriterionKind.TEXT)
    aux_data1: Text = _criterion("auxData1", CriterionKind.TEXT)
    aux_data2: Text = _criterion("auxData2", CriterionKind.TEXT)
    aux_data3: Text = _criterion("auxData3", CriterionKind.TEXT)
    aux_data4: Text = _criterion("auxData4", CriterionKind.TEXT)
    aux_data5: Text = _criterion("auxData5", CriterionKind.TEXT)
    pending_agent_id: Id = _criterion("pendingAgentId", CriterionKind.ID)
    agent_id: Id = _criterion("agentId", CriterionKind.ID)
    orphaned_leads_only: Flag = _criterion("orphanedLeadsOnly", CriterionKind.BOOLEAN)
    suppressed: Text = _criterion("suppressed", CriterionKind.SUPPRESSED)
    loaded_dts_start: Moment = _criterion("loadedDtsStart", CriterionKind.DATETIME)
    loaded_dts_end: Moment = _criterion("loadedDtsEnd", CriterionKind.DATETIME)
    next_dial_time_criteria: Comparison = _criterion(
        "nextDialTimeCriteria", CriterionKind.DATETIME_COMPARISON
    )
    last_pass_time_criteria: Comparison = _criterion(
        "lastPassTimeCriteria", CriterionKind.DATETIME_COMPARISON
    )
    lead_passes_criteria: Comparison = _criterion("leadPassesCriteria", CriterionKind.NUMBER_COMPARISON)

    # The dict is the only place where values are, so that a key set as an item is also a field.

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _BY_NAME:
            super().__setattr__(name, value)
        elif value is not UNSET:
            self[_BY_NAME[name].metadata["key"]] = value

    def __getattribute__(self, name: str) -> Any:
        if name in _BY_NAME:
            return self.get(_BY_NAME[name].metadata["key"], UNSET)
        return super().__getattribute__(name)


_BY_NAME: Mapping[str, Field[Any]] = {f.name: f for f in fields(LeadSearchCriteria)}

KINDS: Mapping[str, CriterionKind] = {f.metadata["key"]: f.metadata["kind"] for f in _BY_NAME.values()}
"""Value type of each of RingCX's criteria, by key."""

ROLES: Mapping[str, Role] = {f.metadata["key"]: f.metadata["role"] for f in _BY_NAME.values()}
"""Purpose of each of RingCX's criteria, by key."""


def is_runtime_value(value: object) -> bool:
    """Return whether a value written in a DAG gets its content only when the task runs.

    :param value: an argument, or a part of one, before rendering.
    :return: True for a template, for anything that is not a plain literal (such as the output of another
        task), and for a collection that contains one of these.
    """
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(is_runtime_value(item) for item in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(is_runtime_value(item) for item in value)
    return not (value is None or isinstance(value, (bool, int, float)) or hasattr(value, "isoformat"))


def runtime_keys(criteria: object) -> frozenset[str]:
    """Return the criteria whose value is known only when the task runs.

    :param criteria: search criteria before rendering.
    :return: RingCX's keys; all of them if the criteria as a whole are a runtime value.
    """
    if not isinstance(criteria, Mapping):
        return ALL_KEYS
    return frozenset(key for key, value in criteria.items() if is_runtime_value(value))


ALL_KEYS: frozenset[str] = frozenset(KINDS)
"""Keys of all criteria; the safe default of ``runtime_keys``."""


def keys_with(roles: Iterable[Role]) -> frozenset[str]:
    """Return the criteria that have one of the given roles.

    :param roles: the roles.
    :return: RingCX's keys.
    """
    chosen = frozenset(roles)
    return frozenset(key for key, role in ROLES.items() if role in chosen)
