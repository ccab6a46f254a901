"""Context and result of a lead action, with the operations that action handlers share."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.sandbox.api.leads.parameters import ActionRejected
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.dialer import hold_leads


@dataclass(frozen=True)
class ActionOutcome:
    """Counts of what an action changed. A lead counts even if its values did not change (assumed).

    :param updated: number of leads updated and of copies created.
    :param deleted: number of leads deleted.
    :param redials: number of callbacks deleted.
    :param refreshed: whether the dialer's cache was refreshed.
    """

    updated: int = 0
    deleted: int = 0
    redials: int = 0
    refreshed: bool = False

    def with_redials(self, redials: int) -> ActionOutcome:
        """Return a copy with the number of deleted callbacks."""
        return replace(self, redials=redials)


@dataclass(frozen=True)
class ActionContext:
    """Context of one action: database, parameters and settings.

    :param connection: the database, inside a transaction.
    :param account: the sub-account.
    :param params: the action's parameters, parsed and typed.
    :param now: milliseconds since 1970.
    :param settings: the sandbox's settings.
    :param by_extern_ids: whether the criteria filter by external ids.
    """

    connection: sqlite3.Connection
    account: str
    params: Mapping[str, Any]
    now: int
    settings: Settings
    by_extern_ids: bool

    def match(self, condition: Condition) -> None:
        """Store the ids of the selected leads in the table ``matched``."""
        self.run("DELETE FROM matched")
        self.run(f"INSERT INTO matched SELECT l.leadId FROM leads l WHERE {condition.sql}", *condition.values)

    def run(self, statement: str, *values: object) -> int:
        """Run one statement; return the number of rows it changed."""
        return self.connection.execute(statement, values).rowcount

    def update(self, assignments: str, *values: object) -> ActionOutcome:
        """Set columns of all matched leads."""
        changed = self.run(
            f"UPDATE leads SET {assignments} WHERE leadId IN (SELECT leadId FROM matched)", *values
        )
        return ActionOutcome(updated=changed)

    def exclude(self, condition: str) -> None:
        """Exclude leads that meet a condition from the action; they are not counted."""
        self.run(
            "DELETE FROM matched WHERE leadId IN"
            f" (SELECT leadId FROM matched CROSS JOIN leads USING (leadId) WHERE {condition})"
        )

    def exclude_held(self) -> None:
        """Exclude leads on a call (assumed) and leads that the dialer holds (``dialer_holds``)."""
        self.exclude("leadState = 'ACTIVE'")
        if self.settings.dialer_holds:
            hold_leads(self.connection, self.settings.dialer_holds, self.now)

    def delete_redials(self) -> int:
        """Delete the callbacks of all matched leads; return their number."""
        return self.run("DELETE FROM redials WHERE leadId IN (SELECT leadId FROM matched)")


def require_agent(context: ActionContext, agent: int) -> None:
    """Reject an agent of another account (assumed); inactive agents are accepted."""
    found = context.connection.execute(
        "SELECT 1 FROM agents WHERE agentId = ? AND accountId = ?", (agent, context.account)
    ).fetchone()
    if found is None:
        raise ActionRejected("RESERVATION_AGENT_ID", f"{agent} is not an agent of account {context.account}")
