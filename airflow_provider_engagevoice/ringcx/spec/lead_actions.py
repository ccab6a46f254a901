"""Table of the 13 lead actions: parameters, effect, retry safety."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

NEW_LIST = "0"
"""The ``LIST_ID`` with which MOVE_TO_CAMPAIGN creates a list. Source: guide, "Move Parameters"."""


class ParameterKind(str, Enum):
    """Type of a parameter's value."""

    ID = "id"
    MINUTES = "minutes"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    TEXT = "text"
    DATETIME = "datetime"
    ADDRESSES = "addresses"


@dataclass(frozen=True, eq=False)
class Parameter:
    """One key of an action's ``paramMap``.

    :param name: the key, in RingCX's spelling and case.
    :param kind: type of its value.
    :param description: its meaning.
    :param required: whether RingCX requires it.
    :param choices: the allowed values of a choice.
    :param only_with: another parameter and the value that it must have for this parameter to apply;
        with any other value, this parameter is rejected.
    """

    name: str
    kind: ParameterKind
    description: str
    required: bool = False
    choices: tuple[str, ...] = ()
    only_with: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class SuccessCriterion:
    """Search for the leads to which an action has not been applied.

    Without a state and a filter, leads leave the selection when the action is applied to them.

    :param state: the lead state that the action sets; None if it sets none.
    :param also_accept: states to which the dialer may have moved such leads since.
    :param remaining_filter: value of the ``suppressed`` filter that finds the remaining leads.
    :param only_with: parameter values with which the action can be verified.
    """

    state: str | None = None
    also_accept: tuple[str, ...] = ()
    remaining_filter: str | None = None
    only_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Action:
    """One lead action.

    :param name: RingCX's name.
    :param description: its effect on the selected leads.
    :param parameters: the parameters that it accepts.
    :param retry_safe: whether applying it two times leaves the leads as applying it once does, even if
        the dialer worked on them in between. Only such a request is retried if its outcome is unknown.
    :param unsafe_params: parameter values that make a retry-safe action unsafe to retry.
    :param reconcilable_params: parameter values with which a search finds out whether an unsafe request
        was applied, if the leads are selected from other campaigns; empty if no search can.
    :param needs_leads: whether the action has no effect if no lead matches.
    :param chunkable: whether applying it to chunks of the leads, one after the other, has the same effect
        as applying it to all of them at once.
    :param success: how a search finds the leads to which it has not been applied; None if no search can.
    """

    name: str
    description: str
    parameters: tuple[Parameter, ...] = ()
    retry_safe: bool = True
    unsafe_params: Mapping[str, frozenset[str]] = field(default_factory=dict)
    reconcilable_params: Mapping[str, str] = field(default_factory=dict)
    needs_leads: bool = True
    chunkable: bool = True
    success: SuccessCriterion | None = None

    def is_retry_safe(self, params: Mapping[str, object]) -> bool:
        """Return whether a request with these parameters may be retried if its outcome is unknown.

        :param params: the ``paramMap`` as sent.
        :return: True if a retry has no further effect.
        """
        return self.retry_safe and not any(
            str(params.get(name)).upper() in values for name, values in self.unsafe_params.items()
        )

    def is_reconcilable(self, params: Mapping[str, object]) -> bool:
        """Return whether a search can find out the unknown outcome of a request with these parameters.

        :param params: the ``paramMap`` as sent.
        :return: True if the request moves leads out of where they were.
        """
        return bool(self.reconcilable_params) and all(
            str(params.get(name)) == value for name, value in self.reconcilable_params.items()
        )


_AGENT = "RESERVATION_AGENT_ID"

HELD_STATES = ("PENDING", "ACTIVE")
"""States of leads that the dialer has taken out of READY, and may return to it. Source: observed."""

#: Sources: guides of 2020 and 2024 for names and meanings, the guide of July 2026 for parameters,
#: the contract's enum for the set of names. ``retry_safe`` follows from the meanings: RESET, READY
#: and the callback RESET put a lead back into the dialer's queue, so an unconditional retry may cause
#: a second call to the same person; MANUAL adds a pass and EMAIL sends an email each time; each copy or
#: new list is one more.
_TABLE = (
    Action(
        "RESET_LEADS",
        "Sets the pass count to zero, the state to READY and the next dial time to now.",
        retry_safe=False,
    ),
    Action(
        "CANCEL_LEADS",
        "Sets the state to CANCELLED; the state before is lost.",
        success=SuccessCriterion(state="CANCELLED"),
    ),
    Action(
        "PAUSE_LEADS",
        "Sets the state to PAUSED; the state before is lost.",
        success=SuccessCriterion(state="PAUSED"),
    ),
    Action(
        "READY_LEADS",
        "Sets the state to READY; pass count and next dial time stay.",
        retry_safe=False,
        success=SuccessCriterion(state="READY", also_accept=HELD_STATES),
    ),
    Action(
        "DELETE_LEADS",
        "Deletes the leads permanently; their call records stay.",
        success=SuccessCriterion(),
    ),
    Action(
        "SUPPRESS_LEADS",
        "Stops dialing; the state stays.",
        success=SuccessCriterion(remaining_filter="ONLY_UNSUPPRESSED"),
    ),
    Action(
        "UNSUPPRESS_LEADS",
        "Resumes dialing of suppressed leads.",
        success=SuccessCriterion(remaining_filter="ONLY_SUPPRESSED"),
    ),
    Action(
        "MANUAL_LEADS",
        "Adds one manual pass and sets the agent disposition.",
        (
            Parameter("PASS_DISPOSITION", ParameterKind.TEXT, "Agent disposition to record.", required=True),
            Parameter(
                "REQUEUE", ParameterKind.BOOLEAN, "Make the leads ready again after the delay.", required=True
            ),
            Parameter(
                "DO_NOT_CALL",
                ParameterKind.BOOLEAN,
                "Mark the leads as do-not-call and add their phone or external id to the DNC list.",
                required=True,
            ),
            Parameter(
                "PASS_DELAY", ParameterKind.MINUTES, "Minutes until the next call, 0 for none.", required=True
            ),
            Parameter(
                "MERGE_ORIGINAL",
                ParameterKind.BOOLEAN,
                "Write the pass to the original of a copied lead.",
                required=True,
            ),
        ),
        retry_safe=False,
    ),
    Action(
        "EMAIL_LEADS",
        "Emails a link to a ZIP file of the selected leads; the link is valid for 24 hours.",
        (
            Parameter(
                "EMAIL_TO",
                ParameterKind.ADDRESSES,
                "Email address, or several separated by commas.",
                required=True,
            ),
        ),
        retry_safe=False,
        chunkable=False,
    ),
    Action(
        "CALLBACK_LEADS",
        "Sets, cancels or resets callbacks.",
        (
            Parameter(
                "ACTION_TYPE",
                ParameterKind.CHOICE,
                "AGENT sets a callback for one agent, CANCEL removes callbacks, RESET clears the "
                "callback state and makes the leads ready.",
                required=True,
                choices=("AGENT", "CANCEL", "RESET"),
            ),
            Parameter(
                _AGENT,
                ParameterKind.ID,
                "Agent who calls back.",
                required=True,
                only_with=("ACTION_TYPE", "AGENT"),
            ),
            Parameter(
                "CALLBACK_DATE",
                ParameterKind.DATETIME,
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
            Parameter("CAMPAIGN_ID", ParameterKind.ID, "Target campaign.", required=True),
            Parameter("LIST_ID", ParameterKind.ID, "Target list, 0 for a new one.", required=True),
            Parameter(
                "LIST_NAME",
                ParameterKind.TEXT,
                "Name of the new list. RingCX does not document what happens without it, so it is required.",
                only_with=("LIST_ID", NEW_LIST),
            ),
            Parameter(
                "CREATE_COPY_SETTING",
                ParameterKind.CHOICE,
                "false moves the leads, true copies them, TRANSITION copies and marks them.",
                required=True,
                choices=("false", "true", "TRANSITION"),
            ),
            Parameter(
                "DUPLICATE_ACTION_SETTING",
                ParameterKind.CHOICE,
                "MOVE lets duplicates into the target list, IGNORE leaves such leads where they are.",
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
            Parameter(_AGENT, ParameterKind.ID, "Agent, 0 to clear the reservation.", required=True),
            # Observed at run time by one public program: RingCX rejects the action without it, though
            # the guide does not list it. The client sends the current time by default.
            Parameter("CALLBACK_DTS", ParameterKind.DATETIME, "When the agent is to call; default now."),
        ),
    ),
    Action(
        "DIALER_REFRESH",
        "Refreshes the dialer's lead cache of the campaigns in the criteria.",
        (Parameter("force_dialer_cache_refresh", ParameterKind.BOOLEAN, "Refresh even if nothing changed."),),
        needs_leads=False,
        chunkable=False,
    ),
)

ACTIONS: Mapping[str, Action] = {action.name: action for action in _TABLE}
"""All lead actions by name."""


COPY_SETTINGS = {False: "false", True: "true", "TRANSITION": "TRANSITION"}
"""Values of RingCX's CREATE_COPY_SETTING by the argument ``copy``. Source: guide, "Move Parameters"."""
