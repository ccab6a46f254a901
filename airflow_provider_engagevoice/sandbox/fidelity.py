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
    Choice(1, "Criteria without a filter", "match the whole account", _P, ("strict_criteria",)),
    Choice(2, "`campaignId` beside `campaignIds`", "is ignored", _P, ("honour_campaign_id",)),
    Choice(3, "First page of a search", "0; a negative page is 400", _A, ("page_base",)),
    Choice(4, "Rows of a search", "at most 5,000; a larger `maxRows` is cut to that", _A, ("row_cap",)),
    Choice(5, "Order of a search", "by lead id", _A),
    Choice(6, "A page past the end", "is an empty array", _A),
    Choice(7, "`count=true`", "answers a bare number, whatever the page", _A),
    Choice(8, "Unknown properties", "are ignored; unknown states are 400 (assumed)", _P),
    Choice(9, "Ids as texts of digits", "are taken; other texts are 400 (assumed)", _P),
    Choice(10, "A null or empty list", "is no filter", _A),
    Choice(11, "Text filters", "match the whole value, in any case", _A, ("text_match",)),
    Choice(12, "`leadPhoneNumbers`", "match any number of a lead, by its digits without a US 1", _A),
    Choice(13, "`leadPhoneNum`", "matches a part of a number", _A),
    Choice(14, "`agentId`, `pendingAgentId`", "agent of the last pass; of the reservation", _A),
    Choice(15, "An unknown or missing `leadAction`", "is 400", _A),
    Choice(16, "A missing parameter of an action", "is 200 with `success: false`", _A, ("strict_params",)),
    Choice(17, "A move to an unknown campaign or list", "is `success: false`, and changes nothing", _A),
    Choice(18, "An action that matches nobody", "succeeds with counts of 0", _A),
    Choice(19, "Counts of an action", "leads written, changed or not; deletes and callbacks apart", _A),
    Choice(20, "`dialerRefreshed`", "is true for DIALER_REFRESH only", _A),
    Choice(
        21,
        "Leads the dialer is busy with",
        "on a call, they are passed over by cancel, pause, delete and move; pending, they are not",
        _A,
        ("dialer_holds",),
    ),
    Choice(22, "READY_LEADS on DO-NOT-CALL", "works; the do-not-call entry stays", _D),
    Choice(23, "RESET_LEADS on suppressed leads", "leaves them suppressed", _A),
    Choice(24, "A move", "keeps id, state, passes and dates; campaign, list and `stateDts` change", _P),
    Choice(25, "A copy", "has a new id, and keeps state and passes", _A, ("copy_passes",)),
    Choice(26, "A transition", "marks the original; the copy is READY", _A, ("transition_marks",)),
    Choice(27, "`LIST_ID` 0", "makes a new list, also of a name that is there, or of none", _A),
    Choice(28, "A move into the same campaign or list", "is allowed", _A),
    Choice(29, "`DUPLICATE_ACTION_SETTING` IGNORE", "goes by phone within the target list", _A),
    Choice(30, "MANUAL_LEADS", "one pass more; READY or COMPLETE, DO-NOT-CALL before both", _A),
    Choice(31, "MANUAL_LEADS past `maxPasses`", "with `REQUEUE` is READY all the same", _D),
    Choice(32, "CALLBACK_LEADS", "AGENT-CALLBACK, CALLBACK-CANCELLED, READY; an unknown agent fails", _A),
    Choice(33, "AGENT_RESERVATION", "needs the agent only; 0 clears", _D, ("strict_reservation",)),
    Choice(34, "EMAIL_LEADS", "puts a mail into the outbox, leads unchanged; counts of 0 (assumed)", _D),
    Choice(35, "A load", "makes a new list of that description", _P),
    Choice(
        36,
        "A load without its required options",
        "is GENERAL_FAILURE, `missing.required.param`",
        _P,
        ("loader_defaults",),
    ),
    Choice(37, "A load of no leads", "fails within 200: NO_LEADS_PASSED_VALIDATION", _A),
    Choice(38, "A lead without external id or good phone", "is a rejected row", _A),
    Choice(39, "Counters of a load", "inserted = accepted less duplicates and do-not-call", _A),
    Choice(40, "External ids that repeat", "are allowed", _P),
    Choice(41, "Do-not-call at load", "by the campaign; scrubbed leads are left out", _A, ("dnc_scrubbed",)),
    Choice(42, "What was changed", "is searchable at once", _A, ("visibility_delay",)),
    Choice(
        43,
        "Bearer tokens",
        "live 300 s, then 401 `Jwt is expired`; unknown ones 401 in other words (assumed)",
        _D,
        ("token_lifetime",),
    ),
    Choice(44, "Refresh tokens", "live an hour, and work once", _A, ("refresh_lifetime",)),
    Choice(45, "The sixth token exchange within a minute", "is 429", _D, ("limits",)),
    Choice(
        46,
        "429",
        "says when to come back; what it refuses does not count (assumed)",
        _P,
        ("retry_after", "rate_headers", "rate_penalty"),
    ),
    Choice(47, "Limits", "sliding windows per sub-account and operation, both of a pair", _D, ("limits",)),
    Choice(48, "A foreign account; an unknown campaign", "403 `access.denied`; 404", _D),
    Choice(49, "Update of a lead", "200 with the lead; PUT empties what is not sent; unknown is 404", _D),
    Choice(50, "`leadState` in an update", "is ignored", _A, ("patch_state",)),
    Choice(51, "Dates", "`2026-07-01T07:00:00.000+0000`; without a zone they are UTC", _D),
    Choice(52, "Size of a request", "10 MB; as many ids as fit", _A, ("id_cap",)),
    Choice(53, "DELETE of a dial group or campaign", "200 and true; leads in it go, too (assumed)", _D),
    Choice(54, "Paths outside the API", "200 with a web page", _P, ("html_fallback",)),
    Choice(55, "Faults", "none, until you ask for them", _P),
    Choice(56, "Columns in `pageColumnMappings`", "are counted from 0", _D, ("column_base",)),
)
"""All decisions, by number."""
