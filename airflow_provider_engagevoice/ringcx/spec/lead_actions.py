"""The 13 lead actions as one table: what each needs, what it does, whether it may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

NEW_LIST = "0"
"""The ``LIST_ID`` that makes MOVE_TO_CAMPAIGN create a list. Source: guide, "Move Parameters"."""


class Kind(str, Enum):
    """What a parameter's value is."""

    ID = "id"
    MINUTES = "minutes"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    TEXT = "text"
    MOMENT = "moment"
    ADDRESSES = "addresses"


@dataclass(frozen=True)
class Parameter:
    """One key of an action's ``paramMap``.

    :param name: the key, spelt and cased as RingCX does.
    :param kind: what its value is.
    :param help: what it means.
    :param required: RingCX needs it.
    :param choices: the allowed values of a choice.
    :param only_with: another parameter and the value of it beside which this one counts;
        beside any other value it is refused.
    """

    name: str
    kind: Kind
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()
    only_with: tuple[str, str] | None = None


@dataclass(frozen=True)
class SuccessCriterion:
    """How a search tells which leads an action has not reached.

    :param state: the lead state it gives; None where it gives none.
    :param then: states that the dialer may have taken such leads to since.
    :param left: value of the ``suppressed`` filter that finds those it has not reached.
    :param only_with: values of parameters beside which it can be told.
    """

    state: str | None = None
    also_accept: tuple[str, ...] = ()
    remaining_filter: str | None = None
    only_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Action:
    """One lead action.

    :param name: RingCX's name.
    :param help: what it does to the leads selected.
    :param parameters: what it takes.
    :param repeatable: applying it twice leaves the leads as applying it once does, even if the
        dialer worked on them in between. Only such a request is sent again when its fate is unknown.
    :param harmful: values of parameters that make a repeatable action unrepeatable.
    :param looked_up: values of parameters beside which a search tells what an unrepeatable request did,
        where the leads are selected from other campaigns; empty where no search can.
    :param needs_leads: it has nothing to do where no lead matches.
    :param divisible: doing it to parts of the leads, one after the other, is the same as doing it
        to all of them.
    :param done: how a search tells which leads it has not reached; None where no search can. One
        without a state and a filter: whom it has reached is gone from the selection.
    """

    name: str
    help: str
    parameters: tuple[Parameter, ...] = ()
    retry_safe: bool = True
    unsafe_params: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reconcilable_params: Mapping[str, str] = field(default_factory=dict)
    needs_leads: bool = True
    chunkable: bool = True
    success: SuccessCriterion | None = None

    def is_retry_safe(self, params: Mapping[str, object]) -> bool:
        """Tell whether a request with these parameters may be sent again when its fate is unknown.

        :param params: the ``paramMap`` as sent.
        :return: True where a repeat cannot do harm.
        """
        return self.retry_safe and not any(
            str(params.get(name)).upper() in values for name, values in self.unsafe_params.items()
        )

    def is_reconcilable(self, params: Mapping[str, object]) -> bool:
        """Tell whether a search may tell what a request with these parameters did, when its fate is unknown.

        :param params: the ``paramMap`` as sent.
        :return: True where the leads it has reached are elsewhere than before.
        """
        return bool(self.reconcilable_params) and all(
            str(params.get(name)) == value for name, value in self.reconcilable_params.items()
        )


_AGENT = "RESERVATION_AGENT_ID"

HELD = ("PENDING", "ACTIVE")
"""States of leads that the dialer has taken out of READY, and may give back. Source: observed."""

#: Sources: guides of 2020 and 2024 for names and meanings, the guide of July 2026 for parameters,
#: the contract's enum for the set of names. ``retry_safe`` follows from the meanings: RESET, READY
#: and the callback RESET put a lead back into the dialer's queue, so a blind repeat may have a
#: person called twice; MANUAL adds a pass and EMAIL a mail each time; copies and new lists multiply.
_TABLE = (
    Action(
        "RESET_LEADS",
        "Sets the pass count to zero, the state to READY and the next dial time to now.",
        retry_safe=False,
    ),
    Action(
        "CANCEL_LEADS",
        "Sets the state to CANCELLED; the previous state is lost.",
        success=SuccessCriterion(state="CANCELLED"),
    ),
    Action(
        "PAUSE_LEADS",
        "Sets the state to PAUSED; the previous state is lost.",
        success=SuccessCriterion(state="PAUSED"),
    ),
    Action(
        "READY_LEADS",
        "Sets the state to READY; pass count and next dial time are kept.",
        retry_safe=False,
        success=SuccessCriterion(state="READY", also_accept=HELD),
    ),
    Action(
        "DELETE_LEADS",
        "Deletes the leads; the records of their calls are kept.",
        success=SuccessCriterion(),
    ),
    Action(
        "SUPPRESS_LEADS",
        "Stops dialling; the state is kept.",
        success=SuccessCriterion(remaining_filter="ONLY_UNSUPPRESSED"),
    ),
    Action(
        "UNSUPPRESS_LEADS",
        "Allows dialling suppressed leads again.",
        success=SuccessCriterion(remaining_filter="ONLY_SUPPRESSED"),
    ),
    Action(
        "MANUAL_LEADS",
        "Adds one manual pass and sets the agent disposition.",
        (
            Parameter("PASS_DISPOSITION", Kind.TEXT, "Agent disposition to record.", required=True),
            Parameter("REQUEUE", Kind.BOOLEAN, "Make the leads ready again after the delay.", required=True),
            Parameter(
                "DO_NOT_CALL",
                Kind.BOOLEAN,
                "Mark the leads as do-not-call and add their phone or external id to the DNC list.",
                required=True,
            ),
            Parameter("PASS_DELAY", Kind.MINUTES, "Minutes until the next call, 0 for none.", required=True),
            Parameter(
                "MERGE_ORIGINAL",
                Kind.BOOLEAN,
                "Write the pass to the original of a copied lead.",
                required=True,
            ),
        ),
        retry_safe=False,
    ),
    Action(
        "EMAIL_LEADS",
        "E-mails a link to a ZIP file of the selected leads; the link is valid for 24 hours.",
        (Parameter("EMAIL_TO", Kind.ADDRESSES, "Address, or several separated by commas.", required=True),),
        retry_safe=False,
        chunkable=False,
    ),
    Action(
        "CALLBACK_LEADS",
        "Sets, cancels or resets callbacks.",
        (
            Parameter(
                "ACTION_TYPE",
                Kind.CHOICE,
                "AGENT sets a callback for one agent, CANCEL removes callbacks, RESET clears the "
                "callback state and makes the leads ready.",
                required=True,
                choices=("AGENT", "CANCEL", "RESET"),
            ),
            Parameter(
                _AGENT,
                Kind.ID,
                "Agent who calls back.",
                required=True,
                only_with=("ACTION_TYPE", "AGENT"),
            ),
            Parameter(
                "CALLBACK_DATE",
                Kind.MOMENT,
                "When to call back.",
                only_with=("ACTION_TYPE", "AGENT"),
            ),
        ),
        unsafe_params={"ACTION_TYPE": frozenset({"AGENT", "RESET"})},
    ),
    Action(
        "MOVE_TO_CAMPAIGN",
        "Moves or copies the leads to a campaign and a list of it.",
        (
            Parameter("CAMPAIGN_ID", Kind.ID, "Target campaign.", required=True),
            Parameter("LIST_ID", Kind.ID, "Target list, 0 for a new one.", required=True),
            Parameter(
                "LIST_NAME",
                Kind.TEXT,
                "Name of the new list. RingCX's behaviour without it is unknown, so it is required here.",
                only_with=("LIST_ID", NEW_LIST),
            ),
            Parameter(
                "CREATE_COPY_SETTING",
                Kind.CHOICE,
                "false moves the leads, true copies them, TRANSITION copies and marks them.",
                required=True,
                choices=("false", "true", "TRANSITION"),
            ),
            Parameter(
                "DUPLICATE_ACTION_SETTING",
                Kind.CHOICE,
                "MOVE moves duplicates into the target list, IGNORE leaves them in place.",
                required=True,
                choices=("MOVE", "IGNORE"),
            ),
        ),
        success=SuccessCriterion(
            only_with={"CREATE_COPY_SETTING": "false", "DUPLICATE_ACTION_SETTING": "MOVE"}
        ),
        unsafe_params={
            "LIST_ID": frozenset({NEW_LIST}),
            "CREATE_COPY_SETTING": frozenset({"TRUE", "TRANSITION"}),
        },
        reconcilable_params={"LIST_ID": NEW_LIST, "CREATE_COPY_SETTING": "false"},
    ),
    Action(
        "AGENT_RESERVATION",
        "Reserves the leads for one agent, or clears the reservation.",
        (
            Parameter(_AGENT, Kind.ID, "Agent, 0 to clear the reservation.", required=True),
            # Observed at run time by one public program: RingCX refuses the action without it, though
            # the guide does not name it. The client fills in the present moment.
            Parameter("CALLBACK_DTS", Kind.MOMENT, "When the agent calls; now if omitted."),
        ),
    ),
    Action(
        "DIALER_REFRESH",
        "Refreshes the dialer's lead cache for the campaigns in the criteria.",
        (Parameter("force_dialer_cache_refresh", Kind.BOOLEAN, "Refresh even if nothing changed."),),
        needs_leads=False,
        chunkable=False,
    ),
)

ACTIONS: Mapping[str, Action] = {action.name: action for action in _TABLE}
"""All lead actions by name."""


COPY_SETTINGS = {False: "false", True: "true", "TRANSITION": "TRANSITION"}
"""What ``copy`` is in RingCX's CREATE_COPY_SETTING. Source: guide, "Move Parameters"."""
