"""MOVE_TO_CAMPAIGN: moves, copies and transitions of leads. Source: guide, "Move Parameters"."""

from __future__ import annotations

from airflow_provider_engagevoice.sandbox.api.leads.action_context import Job, Outcome
from airflow_provider_engagevoice.sandbox.api.leads.parameters import ActionRefused
from airflow_provider_engagevoice.sandbox.state.credentials import USER_NAME
from airflow_provider_engagevoice.sandbox.state.store import LEAD_COLUMNS


def move_to_campaign(job: Job) -> Outcome:
    """Move or copy the leads to a campaign of the same account; leads on a call are left out (assumed)."""
    campaign = _target_campaign(job)
    existing = _target_list(job, campaign)
    job.leave_out_busy()
    if job.params["DUPLICATE_ACTION_SETTING"] == "IGNORE":
        _leave_out_duplicates(job, existing)
    if job.connection.execute("SELECT 1 FROM matched LIMIT 1").fetchone() is None:
        return Outcome()
    target = existing or _new_list(job, campaign)
    return _WAYS[job.params["CREATE_COPY_SETTING"]](job, campaign, target)


def _target_campaign(job: Job) -> int:
    """Return the target campaign, which must be one of the account."""
    campaign: int = job.params["CAMPAIGN_ID"]
    found = job.connection.execute(
        "SELECT 1 FROM campaigns JOIN dial_groups USING (dialGroupId) WHERE campaignId = ? AND accountId = ?",
        (campaign, job.account),
    ).fetchone()
    if found is None:
        raise ActionRefused("CAMPAIGN_ID", f"{campaign} is not a campaign of account {job.account}")
    return campaign


def _target_list(job: Job, campaign: int) -> int:
    """Return the target list, which must be one of the campaign; 0 stands for a new one."""
    target: int = job.params["LIST_ID"]
    found = job.connection.execute(
        "SELECT 1 FROM lists WHERE listId = ? AND campaignId = ?", (target, campaign)
    )
    if target and found.fetchone() is None:
        raise ActionRefused("LIST_ID", f"{target} is not a list of campaign {campaign}")
    return target


def _new_list(job: Job, campaign: int) -> int:
    """Create a list, even if the campaign has one of that name; a missing name is made up (assumed)."""
    name = job.params["LIST_NAME"] or f"Moved leads {job.now}"
    cursor = job.connection.execute(
        "INSERT INTO lists (campaignId, listDesc, listState, leadsSupplied, leadsAccepted, uploadDate,"
        " uploadedBy) SELECT ?, ?, 'ACTIVE', count(*), count(*), ?, ? FROM matched",
        (campaign, name, job.now, USER_NAME),
    )
    return int(cursor.lastrowid or 0)


def _leave_out_duplicates(job: Job, target: int) -> None:
    """Leave out leads whose phone the target list has, or gets from a lead before them (assumed key)."""
    # A lead that is moved within its list is no duplicate of itself; its copy there would be one.
    itself = " AND t.leadId <> l.leadId" if job.params["CREATE_COPY_SETTING"] == "false" else ""
    job.run(
        "DELETE FROM matched WHERE leadId IN (SELECT l.leadId FROM leads l JOIN matched USING (leadId)"
        " WHERE EXISTS (SELECT 1 FROM leads t WHERE t.listId = ? AND t.leadPhone = l.leadPhone"
        f"{itself}))",
        target,
    )
    job.run(
        "DELETE FROM matched WHERE leadId NOT IN (SELECT min(l.leadId) FROM leads l"
        " JOIN matched USING (leadId) GROUP BY coalesce(l.leadPhone, l.leadId))"
    )


def _move(job: Job, campaign: int, target: int) -> Outcome:
    """Move: everything but campaign, list and date of the state stays, the id too (observed)."""
    return job.update("campaignId = ?, listId = ?, stateDts = ?", campaign, target, job.now)


def _copy(job: Job, campaign: int, target: int) -> Outcome:
    """Copy: the copies have new ids, and keep state and passes, unless they are to start anew (assumed)."""
    state = "'READY'" if job.settings.copy_passes == "reset" else "leadState"
    return _insert_copies(job, campaign, target, state)


def _transition(job: Job, campaign: int, target: int) -> Outcome:
    """Transition: the copies are READY, the originals marked, or the copies are. Which one is assumed."""
    if job.settings.transition_marks == "copy":
        return _insert_copies(job, campaign, target, "'TRANSITIONED'")
    outcome = _insert_copies(job, campaign, target, "'READY'")
    job.update("leadState = 'TRANSITIONED', stateDts = ?", job.now)
    return outcome


def _insert_copies(job: Job, campaign: int, target: int, state: str) -> Outcome:
    """Insert copies of the leads and of their phone numbers; callbacks stay with the original (assumed)."""
    newest = job.connection.execute("SELECT max(leadId) FROM leads").fetchone()[0]
    changed = {
        "campaignId": ":campaign",
        "listId": ":target",
        "leadState": state,
        "leadPasses": "0" if job.settings.copy_passes == "reset" else "leadPasses",
        "stateDts": ":now",
        "copiedFrom": "leadId",
    }
    values = {"campaign": campaign, "target": target, "now": job.now, "newest": newest}
    copies = job.connection.execute(
        f"INSERT INTO leads ({', '.join(LEAD_COLUMNS)})"
        f" SELECT {', '.join(changed.get(name, name) for name in LEAD_COLUMNS)}"
        " FROM leads WHERE leadId IN (SELECT leadId FROM matched) ORDER BY leadId",
        values,
    ).rowcount
    job.connection.execute(
        "INSERT INTO lead_phones SELECT p.digits, c.leadId FROM leads c"
        " JOIN lead_phones p ON p.leadId = c.copiedFrom WHERE c.leadId > :newest",
        values,
    )
    return Outcome(updated=copies)


_WAYS = {"false": _move, "true": _copy, "TRANSITION": _transition}
