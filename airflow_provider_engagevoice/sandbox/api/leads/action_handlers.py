"""Handlers of the 13 lead actions.

Sources: guides of 2020, 2024 and 2026; behaviour they leave open is marked as assumed.
Every handler finds its leads in the table ``matched`` and runs inside one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_engagevoice.sandbox.api.leads.action_context import (
    ActionContext,
    ActionOutcome,
    require_agent,
)
from airflow_provider_engagevoice.sandbox.api.leads.moves import move_to_campaign
from airflow_provider_engagevoice.sandbox.api.leads.parameters import require_param
from airflow_provider_engagevoice.sandbox.api.leads.serializers import snapshot_for_mail
from airflow_provider_engagevoice.sandbox.state.credentials import USER_NAME
from airflow_provider_engagevoice.sandbox.state.dnc import (
    EntryDefaults,
    add_extern_ids_of_matched,
    add_phones_of_matched,
)

_MINUTE = 60_000


def reset(context: ActionContext) -> ActionOutcome:
    """RESET_LEADS: zero passes, READY, next call now; leads in DO-NOT-CALL are excluded (assumed)."""
    context.exclude("leadState = 'DO-NOT-CALL'")
    redials = context.delete_redials()
    return context.update(
        "leadPasses = 0, leadState = 'READY', nextDialTime = ?, stateDts = ?", context.now, context.now
    ).with_redials(redials=redials)


def ready(context: ActionContext) -> ActionOutcome:
    """READY_LEADS: set READY from any state; passes and next call do not change."""
    return context.update("leadState = 'READY', stateDts = ?", context.now)


def cancel(context: ActionContext) -> ActionOutcome:
    """CANCEL_LEADS: set CANCELLED; deletes callbacks and excludes leads held by the dialer (both assumed)."""
    context.exclude_held()
    redials = context.delete_redials()
    return context.update("leadState = 'CANCELLED', stateDts = ?", context.now).with_redials(redials=redials)


def pause(context: ActionContext) -> ActionOutcome:
    """PAUSE_LEADS: set PAUSED; leads held by the dialer are excluded (assumed)."""
    context.exclude_held()
    return context.update("leadState = 'PAUSED', stateDts = ?", context.now)


def delete(context: ActionContext) -> ActionOutcome:
    """DELETE_LEADS: delete leads and callbacks; leads held by the dialer are excluded (assumed)."""
    context.exclude_held()
    redials = context.delete_redials()
    context.run("DELETE FROM lead_phones WHERE leadId IN (SELECT leadId FROM matched)")
    return ActionOutcome(
        deleted=context.run("DELETE FROM leads WHERE leadId IN (SELECT leadId FROM matched)"), redials=redials
    )


def suppress(context: ActionContext) -> ActionOutcome:
    """SUPPRESS_LEADS: exclude from dialing; the state does not change."""
    return context.update("suppressed = 1")


def unsuppress(context: ActionContext) -> ActionOutcome:
    """UNSUPPRESS_LEADS: include in dialing; the state does not change."""
    return context.update("suppressed = 0")


def add_pass(context: ActionContext) -> ActionOutcome:
    """MANUAL_LEADS: record one more pass with the given agent disposition.

    Without REQUEUE a lead becomes COMPLETE (assumed); DO_NOT_CALL overrides both (assumed). With
    MERGE_ORIGINAL the pass is also written to the original of a copied lead (assumed interpretation).
    With DO_NOT_CALL the phone numbers of the leads are added to the do-not-call list, or their external ids
    if the criteria filter by external ids (guide).
    """
    disposition = context.params["PASS_DISPOSITION"]
    requeue = context.params["REQUEUE"]
    state = "DO-NOT-CALL" if context.params["DO_NOT_CALL"] else "READY" if requeue else "COMPLETE"
    if context.params["MERGE_ORIGINAL"]:
        context.run(
            f"UPDATE leads SET {_PASS} WHERE leadId IN"
            " (SELECT l.copiedFrom FROM leads l JOIN matched USING (leadId))"
            " AND leadId NOT IN (SELECT leadId FROM matched)",
            context.now,
            disposition,
        )
    if context.params["DO_NOT_CALL"]:
        add = add_extern_ids_of_matched if context.by_extern_ids else add_phones_of_matched
        add(context.connection, EntryDefaults(context.account, USER_NAME, context.now), disposition)
    outcome = context.update(
        f"{_PASS}, leadState = ?, stateDts = ?", context.now, disposition, state, context.now
    )
    if requeue:
        context.update("nextDialTime = ?", context.now + context.params["PASS_DELAY"] * _MINUTE)
    return outcome


_PASS = (
    "leadPasses = leadPasses + 1, lastPassDts = ?, agentDisposition = ?,"
    " lastPassDisposition = 'MANUAL_PASS', lastPassAgentId = NULL"
)


def email(context: ActionContext) -> ActionOutcome:
    """EMAIL_LEADS: add a mail to the outbox; no lead changes. Without leads there is no mail (assumed).

    The mail stores a snapshot of the leads for the ZIP that is downloaded later.
    """
    leads = context.connection.execute("SELECT count(*) FROM matched").fetchone()[0]
    if leads:
        mail = context.connection.execute(
            "INSERT INTO mails (recipients, leads, sent) VALUES (?, ?, ?)",
            (json.dumps(context.params["EMAIL_TO"]), leads, context.now),
        ).lastrowid
        snapshot_for_mail(context.connection, int(mail or 0))
    return ActionOutcome()


def callback(context: ActionContext) -> ActionOutcome:
    """CALLBACK_LEADS: set, cancel or reset the callbacks of all matched leads."""
    return _CALLBACKS[context.params["ACTION_TYPE"]](context)


def _set_callback(context: ActionContext) -> ActionOutcome:
    """AGENT: set one callback per lead for one agent (assumed: it replaces an earlier callback)."""
    agent = context.params["RESERVATION_AGENT_ID"]
    require_agent(context, agent)
    due = context.now if context.params["CALLBACK_DATE"] is None else context.params["CALLBACK_DATE"]
    context.delete_redials()
    context.run(
        "INSERT INTO redials (leadId, agentId, callBackDate, callBackPhone)"
        " SELECT leadId, ?, ?, CASE instr(leadPhone, '|') WHEN 0 THEN leadPhone"
        " ELSE substr(leadPhone, 1, instr(leadPhone, '|') - 1) END FROM leads"
        " WHERE leadId IN (SELECT leadId FROM matched) ORDER BY leadId",
        agent,
        due,
    )
    return context.update(
        "leadState = 'AGENT-CALLBACK', pendingAgentId = ?, nextDialTime = ?, stateDts = ?",
        agent,
        due,
        context.now,
    )


def _cancel_callback(context: ActionContext) -> ActionOutcome:
    """CANCEL: delete the callbacks and set CALLBACK-CANCELLED."""
    return _end_callback(context, "CALLBACK-CANCELLED")


def _reset_callback(context: ActionContext) -> ActionOutcome:
    """RESET: delete the callbacks and set READY."""
    return _end_callback(context, "READY")


def _end_callback(context: ActionContext, state: str) -> ActionOutcome:
    """Delete callbacks and their agent reservations (assumed), and set a state."""
    context.run(
        "UPDATE leads SET pendingAgentId = NULL WHERE leadId IN (SELECT leadId FROM matched)"
        " AND EXISTS (SELECT 1 FROM redials r WHERE r.leadId = leads.leadId"
        " AND r.agentId = leads.pendingAgentId)"
    )
    redials = context.delete_redials()
    return context.update("leadState = ?, stateDts = ?", state, context.now).with_redials(redials=redials)


_CALLBACKS: Mapping[str, Callable[[ActionContext], ActionOutcome]] = {
    "AGENT": _set_callback,
    "CANCEL": _cancel_callback,
    "RESET": _reset_callback,
}


def reserve(context: ActionContext) -> ActionOutcome:
    """AGENT_RESERVATION: reserve leads for one agent, due at CALLBACK_DTS (assumed); agent 0 clears it."""
    agent = context.params["RESERVATION_AGENT_ID"]
    if context.settings.strict_reservation:
        require_param(context.params, "CALLBACK_DTS")
    if agent == 0:
        return context.update("pendingAgentId = NULL")
    require_agent(context, agent)
    return context.update(
        "pendingAgentId = ?, nextDialTime = coalesce(?, nextDialTime)", agent, context.params["CALLBACK_DTS"]
    )


def refresh_dialer(context: ActionContext) -> ActionOutcome:
    """DIALER_REFRESH: no effect, since the sandbox has no dialer cache; only the response reports it."""
    return ActionOutcome(refreshed=True)


ACTION_HANDLERS: Mapping[str, Callable[[ActionContext], ActionOutcome]] = {
    "RESET_LEADS": reset,
    "CANCEL_LEADS": cancel,
    "PAUSE_LEADS": pause,
    "READY_LEADS": ready,
    "DELETE_LEADS": delete,
    "SUPPRESS_LEADS": suppress,
    "UNSUPPRESS_LEADS": unsuppress,
    "MANUAL_LEADS": add_pass,
    "EMAIL_LEADS": email,
    "CALLBACK_LEADS": callback,
    "MOVE_TO_CAMPAIGN": move_to_campaign,
    "AGENT_RESERVATION": reserve,
    "DIALER_REFRESH": refresh_dialer,
}


def action_result(action: str, outcome: ActionOutcome) -> dict[str, Any]:
    """Return the response body of a successful action. Source of the fields: contract, LeadActionResult."""
    return {
        "success": True,
        "leadActionType": action,
        "leadUpdateCount": outcome.updated,
        "leadDeleteCount": outcome.deleted,
        "redialDeleteCount": outcome.redials,
        "dialerRefreshed": outcome.refreshed,
        "errorMessage": None,
    }


def action_failure(action: str, message: str) -> dict[str, Any]:
    """Return the response body of a rejected action, which changed nothing (assumed)."""
    return {**action_result(action, ActionOutcome()), "success": False, "errorMessage": message}
