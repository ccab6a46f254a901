"""Assumptions of the sandbox about undocumented behaviour of RingCX, with the confidence in each.

A table in the documentation is generated from them, and tests name the assumptions they verify by number
(``@pytest.mark.assumption``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Confidence(Enum):
    """Source of an assumption."""

    DOCUMENTED = "documented"
    """Stated in RingCentral's guide or contract."""

    OBSERVED = "observed"
    """Seen in public programs that use RingCX."""

    ASSUMED = "assumed"
    """Undocumented; the most likely or the safest assumption."""


@dataclass(frozen=True)
class Assumption:
    """Behaviour of the sandbox in one case.

    :param number: its number, by which tests refer to it.
    :param subject: the case.
    :param default: the sandbox's behaviour by default.
    :param confidence: source of the assumption.
    :param settings: names of the settings that change the behaviour.
    """

    number: int
    subject: str
    default: str
    confidence: Confidence
    settings: tuple[str, ...] = ()


_D, _O, _A = Confidence.DOCUMENTED, Confidence.OBSERVED, Confidence.ASSUMED

ASSUMPTIONS = (
    Assumption(1, "Criteria without a filter", "match all leads of the account", _O, ("strict_criteria",)),
    Assumption(2, "`campaignId` together with `campaignIds`", "is ignored", _O, ("honour_campaign_id",)),
    Assumption(3, "First page of a search", "is 0; a negative page is 400", _A, ("page_base",)),
    Assumption(
        4, "Rows of a search", "are limited to 5,000; a larger `maxRows` is reduced", _A, ("row_cap",)
    ),
    Assumption(5, "Order of a search", "is ascending by lead id", _A),
    Assumption(6, "A page past the end", "is an empty array", _A),
    Assumption(7, "`count=true`", "returns a number and ignores the page", _A),
    Assumption(8, "Unknown properties", "are ignored; unknown states are 400 (assumed)", _O),
    Assumption(9, "Ids as strings of digits", "are accepted; other strings are 400 (assumed)", _O),
    Assumption(10, "A null or empty list", "does not filter", _A),
    Assumption(11, "Text filters", "match the whole value, ignoring case", _A, ("text_match",)),
    Assumption(
        12, "`leadPhoneNumbers`", "match any number of a lead by its digits, without the US prefix 1", _A
    ),
    Assumption(13, "`leadPhoneNum`", "matches a part of a number", _A),
    Assumption(14, "`agentId`, `pendingAgentId`", "match the agent of the last pass; of the reservation", _A),
    Assumption(15, "An unknown or missing `leadAction`", "is 400", _A),
    Assumption(16, "A missing action parameter", "returns 200 with `success: false`", _A, ("strict_params",)),
    Assumption(
        17, "A move to an unknown campaign or list", "returns `success: false` and changes nothing", _A
    ),
    Assumption(18, "An action that matches no lead", "succeeds with counts of 0", _A),
    Assumption(
        19, "Counts of an action", "include unchanged leads; deletes and callbacks are counted separately", _A
    ),
    Assumption(20, "`dialerRefreshed`", "is true for DIALER_REFRESH only", _A),
    Assumption(
        21,
        "Leads in use by the dialer",
        "are skipped by cancel, pause, delete and move if they are on a call, not if they are pending",
        _A,
        ("dialer_holds",),
    ),
    Assumption(22, "READY_LEADS on DO-NOT-CALL", "succeeds; the do-not-call entry remains", _D),
    Assumption(23, "RESET_LEADS on suppressed leads", "leaves them suppressed", _A),
    Assumption(24, "A move", "keeps id, state, passes and dates; campaign, list and `stateDts` change", _O),
    Assumption(25, "A copy", "has a new id and keeps state and passes", _A, ("copy_passes",)),
    Assumption(26, "A transition", "marks the original; the copy is READY", _A, ("transition_marks",)),
    Assumption(27, "`LIST_ID` 0", "creates a new list, even if the name exists or is empty", _A),
    Assumption(28, "A move into the same campaign or list", "is allowed", _A),
    Assumption(29, "`DUPLICATE_ACTION_SETTING` IGNORE", "compares phone numbers within the target list", _A),
    Assumption(
        30, "MANUAL_LEADS", "adds a pass and sets READY or COMPLETE; DO-NOT-CALL takes precedence", _A
    ),
    Assumption(31, "MANUAL_LEADS past `maxPasses`", "sets READY with `REQUEUE`", _D),
    Assumption(
        32, "CALLBACK_LEADS", "sets AGENT-CALLBACK, CALLBACK-CANCELLED or READY; an unknown agent fails", _A
    ),
    Assumption(
        33,
        "AGENT_RESERVATION",
        "requires the agent only; 0 removes the reservation",
        _D,
        ("strict_reservation",),
    ),
    Assumption(
        34, "EMAIL_LEADS", "adds a mail to the outbox; leads are unchanged and counts are 0 (assumed)", _D
    ),
    Assumption(35, "A load", "creates a new list with that description", _O, ("load_lists",)),
    Assumption(
        36,
        "A load without its required options",
        "returns GENERAL_FAILURE, `missing.required.param`",
        _O,
        ("loader_defaults",),
    ),
    Assumption(37, "A load of no leads", "returns 200 with NO_LEADS_PASSED_VALIDATION", _A),
    Assumption(38, "A lead without external id or valid phone number", "is a rejected row", _A),
    Assumption(39, "Counters of a load", "inserted = accepted minus duplicates and do-not-call", _A),
    Assumption(40, "Duplicate external ids", "are allowed", _O),
    Assumption(
        41, "Do-not-call at load", "follows the campaign; scrubbed leads are left out", _A, ("dnc_scrubbed",)
    ),
    Assumption(42, "Changes", "are visible to searches immediately", _A, ("visibility_delay",)),
    Assumption(
        43,
        "Bearer tokens",
        "expire after 300 s with 401 `Jwt is expired`; unknown tokens are 401 with another message (assumed)",
        _D,
        ("token_lifetime",),
    ),
    Assumption(44, "Refresh tokens", "expire after one hour and are single-use", _A, ("refresh_lifetime",)),
    Assumption(45, "The sixth token exchange within a minute", "is 429", _D, ("limits",)),
    Assumption(
        46,
        "429",
        "has a Retry-After header; rejected requests do not count (assumed)",
        _O,
        ("retry_after", "rate_headers", "rate_penalty"),
    ),
    Assumption(
        47,
        "Rate limits",
        "are sliding windows per sub-account and operation; if there are two, both apply",
        _D,
        ("limits",),
    ),
    Assumption(48, "Another user's account; an unknown campaign", "is 403 `access.denied`; is 404", _D),
    Assumption(
        49,
        "Update of a lead",
        "returns 200 and the lead; PUT clears missing fields; an unknown lead is 404",
        _D,
    ),
    Assumption(50, "`leadState` in an update", "is ignored", _A, ("patch_state",)),
    Assumption(
        51, "Datetimes", "have the form `2026-07-01T07:00:00.000+0000`; without a time zone they are UTC", _D
    ),
    Assumption(
        52, "Size of a request", "is limited to 10 MB; the number of ids is not limited", _A, ("id_cap",)
    ),
    Assumption(
        53,
        "DELETE of a dial group or campaign",
        "returns 200 and true; its leads are deleted as well (assumed)",
        _D,
    ),
    Assumption(54, "Paths outside the API", "return 200 with a web page", _O, ("html_fallback",)),
    Assumption(55, "Faults", "are injected on request only", _O),
    Assumption(56, "Columns in `pageColumnMappings`", "are numbered from 0", _D, ("column_base",)),
    Assumption(
        57,
        "`grant_type=password` of RingCentral's platform",
        "signs in, with or without an extension; the error of a wrong password is `OAU-140` (assumed)",
        _O,
    ),
)
"""All assumptions, by number."""
