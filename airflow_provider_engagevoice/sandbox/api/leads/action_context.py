"""One lead action being carried out, and the steps that several actions share."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from airflow_provider_engagevoice.sandbox.api.leads.parameters import ActionRefused
from airflow_provider_engagevoice.sandbox.api.leads.query import Condition
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.dialer import hold


@dataclass(frozen=True)
class Outcome:
    """What an action changed. A lead counts even if its values were the same before (assumed).

    :param updated: leads written, and copies made.
    :param deleted: leads removed.
    :param redials: callbacks removed.
    :param refreshed: the dialer's cache was refreshed.
    """

    updated: int = 0
    deleted: int = 0
    redials: int = 0
    refreshed: bool = False

    def plus(self, redials: int) -> Outcome:
        """Return the same with callbacks removed."""
        return replace(self, redials=redials)


@dataclass(frozen=True)
class Job:
    """One action on the leads it matched.

    :param connection: the database, inside a transaction.
    :param account: the sub-account.
    :param params: the action's parameters, read and typed.
    :param now: milliseconds since 1970.
    :param settings: how the sandbox behaves.
    :param by_extern_ids: the criteria name external ids.
    """

    connection: sqlite3.Connection
    account: str
    params: Mapping[str, Any]
    now: int
    settings: Settings
    by_extern_ids: bool

    def match(self, condition: Condition) -> None:
        """Note the leads the action is for."""
        self.run("DELETE FROM matched")
        self.run(f"INSERT INTO matched SELECT l.leadId FROM leads l WHERE {condition.sql}", *condition.values)

    def run(self, statement: str, *values: object) -> int:
        """Run one statement; return how many rows it changed."""
        return self.connection.execute(statement, values).rowcount

    def update(self, assignments: str, *values: object) -> Outcome:
        """Set columns of all leads matched."""
        changed = self.run(
            f"UPDATE leads SET {assignments} WHERE leadId IN (SELECT leadId FROM matched)", *values
        )
        return Outcome(updated=changed)

    def leave_out(self, condition: str) -> None:
        """Let the action pass over leads of this condition; they are not counted."""
        self.run(
            "DELETE FROM matched WHERE leadId IN"
            f" (SELECT leadId FROM matched CROSS JOIN leads USING (leadId) WHERE {condition})"
        )

    def leave_out_busy(self) -> None:
        """Let the action pass over leads on a call (assumed), and those the dialer has just taken."""
        self.leave_out("leadState = 'ACTIVE'")
        if self.settings.dialer_holds:
            hold(self.connection, self.settings.dialer_holds, self.now)

    def delete_redials(self) -> int:
        """Remove the callbacks of all leads matched; return how many there were."""
        return self.run("DELETE FROM redials WHERE leadId IN (SELECT leadId FROM matched)")


def check_agent(job: Job, agent: int) -> None:
    """Refuse an agent the account does not have (assumed); one who has left is still accepted."""
    found = job.connection.execute(
        "SELECT 1 FROM agents WHERE agentId = ? AND accountId = ?", (agent, job.account)
    ).fetchone()
    if found is None:
        raise ActionRefused("RESERVATION_AGENT_ID", f"{agent} is not an agent of account {job.account}")
