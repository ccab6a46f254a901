"""What each of the 13 lead actions does to the leads it matched.

Sources: guides of 2020, 2024 and 2026 for the meanings; what they leave open is assumed, and said so.
Every effect finds its leads in the table ``matched`` and runs inside one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_engagevoice.sandbox.api.leads.action_context import Job, Outcome, check_agent
from airflow_provider_engagevoice.sandbox.api.leads.moves import move_to_campaign
from airflow_provider_engagevoice.sandbox.api.leads.parameters import require
from airflow_provider_engagevoice.sandbox.api.leads.serializers import keep_for_mail
from airflow_provider_engagevoice.sandbox.state.credentials import USER_NAME
from airflow_provider_engagevoice.sandbox.state.dnc import (
    Addition,
    add_extern_ids_of_matched,
    add_phones_of_matched,
)

_MINUTE = 60_000


def reset(job: Job) -> Outcome:
    """RESET_LEADS: no passes, READY, next call now; leads on do-not-call stay as they are (assumed)."""
    job.leave_out("leadState = 'DO-NOT-CALL'")
    redials = job.delete_redials()
    return job.update(
        "leadPasses = 0, leadState = 'READY', nextDialTime = ?, stateDts = ?", job.now, job.now
    ).plus(redials=redials)


def ready(job: Job) -> Outcome:
    """READY_LEADS: READY whatever the state was; passes and next call stay."""
    return job.update("leadState = 'READY', stateDts = ?", job.now)


def cancel(job: Job) -> Outcome:
    """CANCEL_LEADS: CANCELLED; callbacks go, leads the dialer is busy with are left out (both assumed)."""
    job.leave_out_busy()
    redials = job.delete_redials()
    return job.update("leadState = 'CANCELLED', stateDts = ?", job.now).plus(redials=redials)


def pause(job: Job) -> Outcome:
    """PAUSE_LEADS: PAUSED; leads the dialer is busy with are left out (assumed)."""
    job.leave_out_busy()
    return job.update("leadState = 'PAUSED', stateDts = ?", job.now)


def delete(job: Job) -> Outcome:
    """DELETE_LEADS: leads and callbacks are gone; leads the dialer is busy with are left out (assumed)."""
    job.leave_out_busy()
    redials = job.delete_redials()
    job.run("DELETE FROM lead_phones WHERE leadId IN (SELECT leadId FROM matched)")
    return Outcome(
        deleted=job.run("DELETE FROM leads WHERE leadId IN (SELECT leadId FROM matched)"), redials=redials
    )


def suppress(job: Job) -> Outcome:
    """SUPPRESS_LEADS: not dialled; the state stays."""
    return job.update("suppressed = 1")


def unsuppress(job: Job) -> Outcome:
    """UNSUPPRESS_LEADS: dialled again; the state stays."""
    return job.update("suppressed = 0")


def add_pass(job: Job) -> Outcome:
    """MANUAL_LEADS: one more pass with the given agent disposition.

    Without requeue a lead is COMPLETE (assumed); do-not-call wins over both (assumed). With
    MERGE_ORIGINAL the pass is written to the lead a copy was made from as well (assumed reading).
    With DO_NOT_CALL the numbers of the leads go on the do-not-call list, or their external ids where the
    criteria name such (guide).
    """
    disposition = job.params["PASS_DISPOSITION"]
    requeue = job.params["REQUEUE"]
    state = "DO-NOT-CALL" if job.params["DO_NOT_CALL"] else "READY" if requeue else "COMPLETE"
    if job.params["MERGE_ORIGINAL"]:
        job.run(
            f"UPDATE leads SET {_PASS} WHERE leadId IN"
            " (SELECT l.copiedFrom FROM leads l JOIN matched USING (leadId))"
            " AND leadId NOT IN (SELECT leadId FROM matched)",
            job.now,
            disposition,
        )
    if job.params["DO_NOT_CALL"]:
        add = add_extern_ids_of_matched if job.by_extern_ids else add_phones_of_matched
        add(job.connection, Addition(job.account, USER_NAME, job.now), disposition)
    outcome = job.update(f"{_PASS}, leadState = ?, stateDts = ?", job.now, disposition, state, job.now)
    if requeue:
        job.update("nextDialTime = ?", job.now + job.params["PASS_DELAY"] * _MINUTE)
    return outcome


_PASS = (
    "leadPasses = leadPasses + 1, lastPassDts = ?, agentDisposition = ?,"
    " lastPassDisposition = 'MANUAL_PASS', lastPassAgentId = NULL"
)


def email(job: Job) -> Outcome:
    """EMAIL_LEADS: a mail goes to the outbox, and nothing changes; no leads, no mail (assumed).

    It keeps the leads as they are now, for the ZIP that is fetched later.
    """
    leads = job.connection.execute("SELECT count(*) FROM matched").fetchone()[0]
    if leads:
        mail = job.connection.execute(
            "INSERT INTO mails (recipients, leads, sent) VALUES (?, ?, ?)",
            (json.dumps(job.params["EMAIL_TO"]), leads, job.now),
        ).lastrowid
        keep_for_mail(job.connection, int(mail or 0))
    return Outcome()


def callback(job: Job) -> Outcome:
    """CALLBACK_LEADS: sets, cancels or resets callbacks of all leads matched."""
    return _CALLBACKS[job.params["ACTION_TYPE"]](job)


def _set_callback(job: Job) -> Outcome:
    """AGENT: one callback per lead, for one agent (assumed: it takes the place of an earlier one)."""
    agent = job.params["RESERVATION_AGENT_ID"]
    check_agent(job, agent)
    due = job.now if job.params["CALLBACK_DATE"] is None else job.params["CALLBACK_DATE"]
    job.delete_redials()
    job.run(
        "INSERT INTO redials (leadId, agentId, callBackDate, callBackPhone)"
        " SELECT leadId, ?, ?, CASE instr(leadPhone, '|') WHEN 0 THEN leadPhone"
        " ELSE substr(leadPhone, 1, instr(leadPhone, '|') - 1) END FROM leads"
        " WHERE leadId IN (SELECT leadId FROM matched) ORDER BY leadId",
        agent,
        due,
    )
    return job.update(
        "leadState = 'AGENT-CALLBACK', pendingAgentId = ?, nextDialTime = ?, stateDts = ?",
        agent,
        due,
        job.now,
    )


def _cancel_callback(job: Job) -> Outcome:
    """CANCEL: the callbacks go, and the state tells so."""
    return _end_callback(job, "CALLBACK-CANCELLED")


def _reset_callback(job: Job) -> Outcome:
    """RESET: the callbacks go, and the leads are ready."""
    return _end_callback(job, "READY")


def _end_callback(job: Job, state: str) -> Outcome:
    """Remove callbacks, and the reservations that came with them (assumed)."""
    job.run(
        "UPDATE leads SET pendingAgentId = NULL WHERE leadId IN (SELECT leadId FROM matched)"
        " AND EXISTS (SELECT 1 FROM redials r WHERE r.leadId = leads.leadId"
        " AND r.agentId = leads.pendingAgentId)"
    )
    redials = job.delete_redials()
    return job.update("leadState = ?, stateDts = ?", state, job.now).plus(redials=redials)


_CALLBACKS: Mapping[str, Callable[[Job], Outcome]] = {
    "AGENT": _set_callback,
    "CANCEL": _cancel_callback,
    "RESET": _reset_callback,
}


def reserve(job: Job) -> Outcome:
    """AGENT_RESERVATION: reserves for one agent, who is to call at CALLBACK_DTS (assumed); 0 clears it."""
    agent = job.params["RESERVATION_AGENT_ID"]
    if job.settings.strict_reservation:
        require(job.params, "CALLBACK_DTS")
    if agent == 0:
        return job.update("pendingAgentId = NULL")
    check_agent(job, agent)
    return job.update(
        "pendingAgentId = ?, nextDialTime = coalesce(?, nextDialTime)", agent, job.params["CALLBACK_DTS"]
    )


def refresh_dialer(job: Job) -> Outcome:
    """DIALER_REFRESH: there is no dialer here, so only the answer tells."""
    return Outcome(refreshed=True)


EFFECTS: Mapping[str, Callable[[Job], Outcome]] = {
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


def result_of(action: str, outcome: Outcome) -> dict[str, Any]:
    """Write the answer to an action that worked. Source of the fields: contract, LeadActionResult."""
    return {
        "success": True,
        "leadActionType": action,
        "leadUpdateCount": outcome.updated,
        "leadDeleteCount": outcome.deleted,
        "redialDeleteCount": outcome.redials,
        "dialerRefreshed": outcome.refreshed,
        "errorMessage": None,
    }


def failure_of(action: str, message: str) -> dict[str, Any]:
    """Write the answer to an action that was refused; nothing has changed (assumed)."""
    return {**result_of(action, Outcome()), "success": False, "errorMessage": message}
