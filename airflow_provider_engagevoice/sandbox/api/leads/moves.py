"""Handler of MOVE_TO_CAMPAIGN: move, copy and transition leads. Source: guide, "Move Parameters"."""

from __future__ import annotations

from airflow_provider_engagevoice.sandbox.api.leads.action_context import ActionContext, ActionOutcome
from airflow_provider_engagevoice.sandbox.api.leads.parameters import ActionRejected
from airflow_provider_engagevoice.sandbox.state.credentials import USER_NAME
from airflow_provider_engagevoice.sandbox.state.store import LEAD_COLUMNS


def move_to_campaign(context: ActionContext) -> ActionOutcome:
    """Move or copy the leads to a campaign of the same account; leads on a call are excluded (assumed)."""
    campaign = _target_campaign(context)
    existing = _target_list(context, campaign)
    context.exclude_held()
    if context.params["DUPLICATE_ACTION_SETTING"] == "IGNORE":
        _exclude_duplicates(context, existing)
    if context.connection.execute("SELECT 1 FROM matched LIMIT 1").fetchone() is None:
        return ActionOutcome()
    target = existing or _new_list(context, campaign)
    return _WAYS[context.params["CREATE_COPY_SETTING"]](context, campaign, target)


def _target_campaign(context: ActionContext) -> int:
    """Return the target campaign; reject it if it is not in the account."""
    campaign: int = context.params["CAMPAIGN_ID"]
    found = context.connection.execute(
        "SELECT 1 FROM campaigns JOIN dial_groups USING (dialGroupId) WHERE campaignId = ? AND accountId = ?",
        (campaign, context.account),
    ).fetchone()
    if found is None:
        raise ActionRejected("CAMPAIGN_ID", f"{campaign} is not a campaign of account {context.account}")
    return campaign


def _target_list(context: ActionContext, campaign: int) -> int:
    """Return the target list, 0 for a new one; reject it if it is not in the campaign."""
    target: int = context.params["LIST_ID"]
    found = context.connection.execute(
        "SELECT 1 FROM lists WHERE listId = ? AND campaignId = ?", (target, campaign)
    )
    if target and found.fetchone() is None:
        raise ActionRejected("LIST_ID", f"{target} is not a list of campaign {campaign}")
    return target


def _new_list(context: ActionContext, campaign: int) -> int:
    """Create a list, even if its name is already used; a missing name is generated (assumed)."""
    name = context.params["LIST_NAME"] or f"Moved leads {context.now}"
    cursor = context.connection.execute(
        "INSERT INTO lists (campaignId, listDesc, listState, leadsSupplied, leadsAccepted, uploadDate,"
        " uploadedBy) SELECT ?, ?, 'ACTIVE', count(*), count(*), ?, ? FROM matched",
        (campaign, name, context.now, USER_NAME),
    )
    return int(cursor.lastrowid or 0)


def _exclude_duplicates(context: ActionContext, target: int) -> None:
    """Exclude leads whose phone is in the target list or in an earlier matched lead (assumed key)."""
    # A lead moved within its list is not a duplicate of itself; a copy of it would be.
    itself = " AND t.leadId <> l.leadId" if context.params["CREATE_COPY_SETTING"] == "false" else ""
    context.run(
        "DELETE FROM matched WHERE leadId IN (SELECT l.leadId FROM leads l JOIN matched USING (leadId)"
        " WHERE EXISTS (SELECT 1 FROM leads t WHERE t.listId = ? AND t.leadPhone = l.leadPhone"
        f"{itself}))",
        target,
    )
    context.run(
        "DELETE FROM matched WHERE leadId NOT IN (SELECT min(l.leadId) FROM leads l"
        " JOIN matched USING (leadId) GROUP BY coalesce(l.leadPhone, l.leadId))"
    )


def _move(context: ActionContext, campaign: int, target: int) -> ActionOutcome:
    """Move: change only campaign, list and ``stateDts``; the id stays (observed)."""
    return context.update("campaignId = ?, listId = ?, stateDts = ?", campaign, target, context.now)


def _copy(context: ActionContext, campaign: int, target: int) -> ActionOutcome:
    """Copy: copies get new ids and keep state and passes, unless ``copy_passes`` is ``reset`` (assumed)."""
    state = "'READY'" if context.settings.copy_passes == "reset" else "leadState"
    return _insert_copies(context, campaign, target, state)


def _transition(context: ActionContext, campaign: int, target: int) -> ActionOutcome:
    """Transition: create READY copies and set the originals TRANSITIONED (assumed).

    With the setting ``transition_marks="copy"``, the copies are TRANSITIONED and the originals unchanged.
    """
    if context.settings.transition_marks == "copy":
        return _insert_copies(context, campaign, target, "'TRANSITIONED'")
    outcome = _insert_copies(context, campaign, target, "'READY'")
    context.update("leadState = 'TRANSITIONED', stateDts = ?", context.now)
    return outcome


def _insert_copies(context: ActionContext, campaign: int, target: int, state: str) -> ActionOutcome:
    """Copy the leads and their phone numbers; callbacks stay with the original (assumed)."""
    newest = context.connection.execute("SELECT max(leadId) FROM leads").fetchone()[0]
    changed = {
        "campaignId": ":campaign",
        "listId": ":target",
        "leadState": state,
        "leadPasses": "0" if context.settings.copy_passes == "reset" else "leadPasses",
        "stateDts": ":now",
        "copiedFrom": "leadId",
    }
    values = {"campaign": campaign, "target": target, "now": context.now, "newest": newest}
    copies = context.connection.execute(
        f"INSERT INTO leads ({', '.join(LEAD_COLUMNS)})"
        f" SELECT {', '.join(changed.get(name, name) for name in LEAD_COLUMNS)}"
        " FROM leads WHERE leadId IN (SELECT leadId FROM matched) ORDER BY leadId",
        values,
    ).rowcount
    context.connection.execute(
        "INSERT INTO lead_phones SELECT p.digits, c.leadId FROM leads c"
        " JOIN lead_phones p ON p.leadId = c.copiedFrom WHERE c.leadId > :newest",
        values,
    )
    return ActionOutcome(updated=copies)


_WAYS = {"false": _move, "true": _copy, "TRANSITION": _transition}
