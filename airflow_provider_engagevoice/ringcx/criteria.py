"""Which leads: the search criteria as the author of a DAG writes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from typing import Any

CHUNK_SIZE = 500
"""Ids in one request, where nothing else is said. Public programs settled on 20 to 500 (observed)."""


class Kind(str, Enum):
    """What the value of a criterion is."""

    IDS = "a list of ids"
    TEXTS = "a list of texts"
    PHONES = "a list of phone numbers"
    STATES = "a list of lead states"
    DISPOSITIONS = "a list of system dispositions"
    TIMEZONES = "a list of time zones"
    ID = "an id"
    TEXT = "a text"
    PART_OF_PHONE = "a part of a phone number"
    BOOLEAN = "true or false"
    SUPPRESSED = "a suppression"
    MOMENT = "a date and time"
    NUMBER_COMPARISON = "an operator and a number"
    MOMENT_COMPARISON = "an operator and a date and time"


class Role(str, Enum):
    """What a criterion is for, which decides what its emptiness means."""

    IDENTITY = "identity"
    CAMPAIGN = "campaign"
    LIST = "list"
    FILTER = "filter"


class _Unset(Enum):
    UNSET = "not given"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Any = _Unset.UNSET
"""The criterion is absent. None is not: a template that yields None has selected nothing."""


def _criterion(key: str, kind: Kind, role: Role = Role.FILTER) -> Any:
    return field(default=UNSET, metadata={"key": key, "kind": kind, "role": role})


@dataclass(eq=False, repr=False)
class LeadSearchCriteria(dict[str, Any]):
    """Search criteria with snake_case names, checked by the editor as you type.

    It *is* the dict that RingCX's guide prints: ``LeadSearchCriteria(extern_ids=["A-1"])`` equals
    ``{"externIds": ["A-1"]}``. Every field may be a Jinja template or the output of another task.
    Filters combine with AND, the values inside one list with OR. A field left out means "any";
    a field given but empty never does (see the README, "A selection is never wider").

    Names and types are those of the contract's ``CampaignLeadSearchCriteria``.

    :param campaign_ids: campaigns (list of int).
    :param campaign_id: one more campaign (int); in RingCentral's samples, but in no schema.
    :param list_ids: loaded lists (list of int); together with a campaign.
    :param lead_ids: RingCX's own lead ids (list of int).
    :param extern_ids: your ids (list of str). One external id may match several leads.
    :param lead_phone_numbers: phone numbers (list of str).
    :param lead_states: states such as ``READY`` (list of str).
    :param system_dispositions: outcome of the last call (list of str).
    :param agent_dispositions: what the agent chose (list of str); together with a campaign.
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
    :param next_dial_time_criteria: next dial time, as ``{"operator": "LESS_THAN", "value": ...}``.
    :param last_pass_time_criteria: time of the last pass, as ``{"operator": "GREATER_THAN", "value": ...}``.
    :param lead_passes_criteria: number of passes, as ``{"operator": "EQUALS", "value": 3}``.
    """

    campaign_ids: Any = _criterion("campaignIds", Kind.IDS, Role.CAMPAIGN)
    campaign_id: Any = _criterion("campaignId", Kind.ID, Role.CAMPAIGN)
    list_ids: Any = _criterion("listIds", Kind.IDS, Role.LIST)
    lead_ids: Any = _criterion("leadIds", Kind.IDS, Role.IDENTITY)
    extern_ids: Any = _criterion("externIds", Kind.TEXTS, Role.IDENTITY)
    lead_phone_numbers: Any = _criterion("leadPhoneNumbers", Kind.PHONES, Role.IDENTITY)
    lead_states: Any = _criterion("leadStates", Kind.STATES)
    system_dispositions: Any = _criterion("systemDispositions", Kind.DISPOSITIONS)
    agent_dispositions: Any = _criterion("agentDispositions", Kind.TEXTS)
    physical_states: Any = _criterion("physicalStates", Kind.TEXTS)
    lead_timezones: Any = _criterion("leadTimezones", Kind.TIMEZONES)
    caller_id: Any = _criterion("callerId", Kind.TEXT)
    lead_phone_num: Any = _criterion("leadPhoneNum", Kind.PART_OF_PHONE)
    first_name: Any = _criterion("firstName", Kind.TEXT)
    last_name: Any = _criterion("lastName", Kind.TEXT)
    address1: Any = _criterion("address1", Kind.TEXT)
    address2: Any = _criterion("address2", Kind.TEXT)
    city: Any = _criterion("city", Kind.TEXT)
    zip: Any = _criterion("zip", Kind.TEXT)
    email_address: Any = _criterion("emailAddress", Kind.TEXT)
    aux_data1: Any = _criterion("auxData1", Kind.TEXT)
    aux_data2: Any = _criterion("auxData2", Kind.TEXT)
    aux_data3: Any = _criterion("auxData3", Kind.TEXT)
    aux_data4: Any = _criterion("auxData4", Kind.TEXT)
    aux_data5: Any = _criterion("auxData5", Kind.TEXT)
    pending_agent_id: Any = _criterion("pendingAgentId", Kind.ID)
    agent_id: Any = _criterion("agentId", Kind.ID)
    orphaned_leads_only: Any = _criterion("orphanedLeadsOnly", Kind.BOOLEAN)
    suppressed: Any = _criterion("suppressed", Kind.SUPPRESSED)
    loaded_dts_start: Any = _criterion("loadedDtsStart", Kind.MOMENT)
    loaded_dts_end: Any = _criterion("loadedDtsEnd", Kind.MOMENT)
    next_dial_time_criteria: Any = _criterion("nextDialTimeCriteria", Kind.MOMENT_COMPARISON)
    last_pass_time_criteria: Any = _criterion("lastPassTimeCriteria", Kind.MOMENT_COMPARISON)
    lead_passes_criteria: Any = _criterion("leadPassesCriteria", Kind.NUMBER_COMPARISON)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _BY_NAME and value is not UNSET:
            self[_BY_NAME[name].metadata["key"]] = value


_BY_NAME: Mapping[str, Field[Any]] = {f.name: f for f in fields(LeadSearchCriteria)}

KINDS: Mapping[str, Kind] = {f.metadata["key"]: f.metadata["kind"] for f in _BY_NAME.values()}
"""What the value of each of RingCX's criteria is."""

ROLES: Mapping[str, Role] = {f.metadata["key"]: f.metadata["role"] for f in _BY_NAME.values()}
"""What each of RingCX's criteria is for."""


def is_data(value: object) -> bool:
    """Tell whether a value as written in a DAG gets its content only when the task runs.

    :param value: an argument, or a part of one, before rendering.
    :return: True for a template and for anything that is no plain literal (the output of another
        task, say), or holds such a thing.
    """
    if isinstance(value, str):
        return "{{" in value or "{%" in value or "{#" in value
    if isinstance(value, Mapping):
        return any(is_data(item) for item in value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(is_data(item) for item in value)
    return not (value is None or isinstance(value, (bool, int, float)) or hasattr(value, "isoformat"))


def data_keys(criteria: object) -> frozenset[str]:
    """Name the criteria whose value comes from data rather than from the hand of the author.

    :param criteria: search criteria before rendering.
    :return: RingCX's keys; all of them where the criteria as a whole are data.
    """
    if not isinstance(criteria, Mapping):
        return ALL_KEYS
    return frozenset(key for key, value in criteria.items() if is_data(value))


ALL_KEYS: frozenset[str] = frozenset(KINDS)
"""Every criterion: what a caller names as data who cannot tell."""


def keys_with(roles: Iterable[Role]) -> frozenset[str]:
    """Name the criteria of some roles.

    :param roles: the roles.
    :return: RingCX's keys.
    """
    wanted = frozenset(roles)
    return frozenset(key for key, role in ROLES.items() if role in wanted)
