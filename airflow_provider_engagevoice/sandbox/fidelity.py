"""What the sandbox decides where the documents leave RingCX open, and how sure that is.

The README's table is made of this, and tests say by number which choice they show
(``@pytest.mark.choice``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Sure(Enum):
    """How sure a choice is."""

    DOCUMENTS = "documents"
    """From RingCentral's guide or contract."""

    PROGRAMS = "programs"
    """Seen in public programs that run against RingCX."""

    ASSUMED = "assumed"
    """Nobody tells; the likeliest or the safest to test against."""


@dataclass(frozen=True)
class Choice:
    """One decision.

    :param number: its number, which tests name.
    :param subject: what it is about.
    :param default: what the sandbox does.
    :param sure: how sure it is.
    :param switches: names of the settings that change it.
    """

    number: int
    subject: str
    default: str
    sure: Sure
    switches: tuple[str, ...] = ()


_D, _P, _A = Sure.DOCUMENTS, Sure.PROGRAMS, Sure.ASSUMED

CHOICES = (
    Choice(1, "Criteria without a filter", "match the whole sub-account", _P, ("strict_criteria",)),
    Choice(2, "`campaignId` together with `campaignIds`", "is ignored", _P, ("honour_campaign_id",)),
    Choice(3, "First page of a search", "0; a negative page is 400", _A, ("page_base",)),
    Choice(
        4,
        "Number of rows of a search",
        "at most 5,000; a larger `maxRows` is reduced to that",
        _A,
        ("row_cap",),
    ),
    Choice(5, "Order of a search", "by lead id", _A),
    Choice(6, "A page past the end", "returns an empty array", _A),
    Choice(7, "`count=true`", "returns a bare number, on every page", _A),
    Choice(8, "Unknown properties", "are ignored; unknown states return 400 (assumed)", _P),
    Choice(9, "Ids as text of digits", "are accepted; other text returns 400 (assumed)", _P),
    Choice(10, "A null or empty list", "is no filter", _A),
    Choice(11, "Text filters", "match the whole value, case-insensitively", _A, ("text_match",)),
    Choice(
        12, "`leadPhoneNumbers`", "match any number of a lead, by its digits, ignoring a US country code", _A
    ),
    Choice(13, "`leadPhoneNum`", "matches part of a number", _A),
    Choice(14, "`agentId`, `pendingAgentId`", "are the agent of the last pass, and of the reservation", _A),
    Choice(15, "An unknown or missing `leadAction`", "returns 400", _A),
    Choice(
        16, "A missing parameter of an action", "returns 200 with `success: false`", _A, ("strict_params",)
    ),
    Choice(17, "A move to an unknown campaign or list", "returns `success: false` and changes nothing", _A),
    Choice(18, "An action that matches no lead", "succeeds with counts of 0", _A),
    Choice(
        19,
        "Counts of an action",
        "count the leads written, changed or not; deletes and callbacks are counted separately",
        _A,
    ),
    Choice(20, "`dialerRefreshed`", "is true for DIALER_REFRESH only", _A),
    Choice(
        21,
        "Leads that the dialer holds",
        "are skipped by cancel, pause, delete and move if they are on a call, but not if they are pending",
        _A,
        ("dialer_holds",),
    ),
    Choice(22, "READY_LEADS on DO-NOT-CALL", "works; the do-not-call entry is kept", _D),
    Choice(23, "RESET_LEADS on suppressed leads", "leaves them suppressed", _A),
    Choice(24, "A move", "keeps id, state, passes and dates; campaign, list and `stateDts` change", _P),
    Choice(25, "A copy", "has a new id and keeps state and passes", _A, ("copy_passes",)),
    Choice(26, "A transition", "marks the original; the copy is READY", _A, ("transition_marks",)),
    Choice(27, "`LIST_ID` 0", "makes a new list, even if the name exists already or is missing", _A),
    Choice(28, "A move into the same campaign or list", "is allowed", _A),
    Choice(29, "`DUPLICATE_ACTION_SETTING` IGNORE", "compares phone numbers within the target list", _A),
    Choice(
        30,
        "MANUAL_LEADS",
        "adds a pass; the state becomes DO-NOT-CALL if asked for, else READY or COMPLETE",
        _A,
    ),
    Choice(31, "MANUAL_LEADS past `maxPasses`", "with `REQUEUE` sets READY nevertheless", _D),
    Choice(
        32,
        "CALLBACK_LEADS",
        "sets AGENT-CALLBACK, CALLBACK-CANCELLED or READY; an unknown agent is a failure",
        _A,
    ),
    Choice(
        33, "AGENT_RESERVATION", "needs only the agent; 0 clears the reservation", _D, ("strict_reservation",)
    ),
    Choice(
        34, "EMAIL_LEADS", "adds an e-mail to the outbox; leads are unchanged, counts are 0 (assumed)", _D
    ),
    Choice(35, "A load", "makes a new list with that description", _P),
    Choice(
        36,
        "A load without its required options",
        "returns GENERAL_FAILURE, `missing.required.param`",
        _P,
        ("loader_defaults",),
    ),
    Choice(37, "A load of no leads", "fails with status 200: NO_LEADS_PASSED_VALIDATION", _A),
    Choice(38, "A lead without external id or valid phone number", "is a rejected row", _A),
    Choice(39, "Counters of a load", "inserted = accepted minus duplicates and do-not-call", _A),
    Choice(40, "External ids that repeat", "are allowed", _P),
    Choice(
        41,
        "Do-not-call at load",
        "depends on the campaign; scrubbed leads are left out",
        _A,
        ("dnc_scrubbed",),
    ),
    Choice(42, "Changes", "are searchable immediately", _A, ("visibility_delay",)),
    Choice(
        43,
        "Bearer tokens",
        "expire after 300 s with 401 `Jwt is expired`; unknown tokens get another 401 (assumed)",
        _D,
        ("token_lifetime",),
    ),
    Choice(44, "Refresh tokens", "live an hour and work once", _A, ("refresh_lifetime",)),
    Choice(45, "The sixth token exchange within a minute", "returns 429", _D, ("limits",)),
    Choice(
        46,
        "429",
        "has `Retry-After`; rejected requests do not count (assumed)",
        _P,
        ("retry_after", "rate_headers", "rate_penalty"),
    ),
    Choice(
        47, "Limits", "are sliding windows per sub-account and operation; all windows apply", _D, ("limits",)
    ),
    Choice(48, "Another customer's account; an unknown campaign", "return 403 `access.denied`; 404", _D),
    Choice(
        49,
        "Update of a lead",
        "returns 200 with the lead; PUT clears what is not sent; an unknown lead returns 404",
        _D,
    ),
    Choice(50, "`leadState` in an update", "is ignored", _A, ("patch_state",)),
    Choice(51, "Dates", "are written `2026-07-01T07:00:00.000+0000`; without a zone they are UTC", _D),
    Choice(52, "Size of a request", "is at most 10 MB; as many ids as fit", _A, ("id_cap",)),
    Choice(
        53, "DELETE of a dial group or campaign", "returns 200 and true, and deletes its leads (assumed)", _D
    ),
    Choice(54, "Paths outside the API", "return 200 with a web page", _P, ("html_fallback",)),
    Choice(55, "Faults", "are off until a rule is set", _P),
    Choice(56, "Columns in `pageColumnMappings`", "are counted from 0", _D, ("column_base",)),
)
"""All decisions, by number."""
