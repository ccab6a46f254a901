"""Fields of a lead that a load or an update may set. Source: contract, CampaignLead."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class FieldKind(Enum):
    """Kind of value that a field of a lead has."""

    TEXT = "text"
    INTEGER = "a whole number"
    OBJECT = "a mapping"
    LIST = "a list"


KEY_FIELD = "externId"
"""The field that identifies a lead in the system that it comes from."""

PHONE_FIELDS = ("leadPhone", "leadPhoneE164")
"""The fields of the phone number. A lead needs one of them (guide); several numbers are joined by ``|``."""

EXTENDED_DATA = "extendedLeadData"
"""The field of a lead's own data: any keys with values of JSON."""

LEAD_FIELDS: Mapping[str, FieldKind] = {
    "externId": FieldKind.TEXT,
    "leadPhone": FieldKind.TEXT,
    "leadPhoneE164": FieldKind.TEXT,
    **dict.fromkeys(
        ("title", "firstName", "midName", "lastName", "suffix", "email", "gateKeeper"), FieldKind.TEXT
    ),
    **dict.fromkeys(("address1", "address2", "city", "state", "zip", "leadTimezone"), FieldKind.TEXT),
    **{f"auxData{number}": FieldKind.TEXT for number in range(1, 6)},
    **dict.fromkeys(("auxPhone", "auxGreeting", "auxExternalUrl"), FieldKind.TEXT),
    **dict.fromkeys(("liveAnswerMessage", "machAnswerMessage", "callerId", "reserveAgent"), FieldKind.TEXT),
    **dict.fromkeys(("leadPriority", "maxPasses", "dupeKeyOverride"), FieldKind.INTEGER),
    EXTENDED_DATA: FieldKind.OBJECT,
    "personaPhoneConfig": FieldKind.OBJECT,
    "quotaTargetIds": FieldKind.LIST,
}
"""Kind of each field, by name. RingCX ignores other names, such as ``middleName`` (observed)."""

ROW_FIELDS: Mapping[str, str] = {
    "leadId": "int64",
    "externId": "string",
    "campaignId": "int64",
    "campaignName": "string",
    "dialGroupId": "int64",
    "listId": "int64",
    "listDesc": "string",
    "leadPhone": "string",
    "leadState": "string",
    **dict.fromkeys(("leadPasses", "maxPasses"), "int64"),
    "suppressed": "bool",
    **dict.fromkeys(
        (
            *("nextDialTime", "loadedDts", "stateDts", "lastPassDts", "lastPassDispo", "lastPassDisposition"),
            *("agentDispostion", "lastPassAgentName", "pendingAgentName", "uploadDate", "uploadedBy"),
            *("title", "firstName", "midName", "lastName", "suffix", "gateKeeper", "address1", "address2"),
            *("city", "state", "zip", "leadTimezone", "callerId", "auxData1", "auxData2", "auxData3"),
            *("auxData4", "auxData5", "auxPhone", "auxGreeting", "auxExternalUrl", "liveAnswerMessage"),
            *("machAnswerMessage", "extraData"),
        ),
        "string",
    ),
}
"""Fields of a lead in a search, with their types. Source: contract, CampaignLeadSearchResultsView."""
