"""Helpers for tests of bulk actions that are interrupted and resumed."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from airflow_provider_engagevoice.hooks.checkpoints import TaskStateRecord
from airflow_provider_engagevoice.ringcx.bulk.action import ActionResult, BulkAction
from airflow_provider_engagevoice.ringcx.bulk.attempts import Attempt, AttemptCheckpoints
from airflow_provider_engagevoice.ringcx.bulk.checkpoint import CheckpointStore
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.clients import PARAMS, make_client

LeadRows = list[dict[str, Any]]


class Killed(BaseException):
    """Ends a task like a kill: no code of the package handles it."""


class FakeTaskStateStore(dict[str, str]):
    """Airflow's task state store, with the two methods that the package calls."""

    def set(self, key: str, value: str) -> None:
        self[key] = value

    def saved_checkpoint(self) -> dict[str, Any]:
        """Return the checkpoint of the action that was started last."""
        checkpoint: dict[str, Any] = json.loads(next(iter(self.values())))["checkpoints"][-1]
        return checkpoint


def start_attempt(
    store: FakeTaskStateStore, is_retry: bool = False, kind: type[AttemptCheckpoints] = AttemptCheckpoints
) -> CheckpointStore:
    """Start an attempt of a task and return the checkpoint store of its first action.

    :param store: the task state store.
    :param is_retry: whether Airflow retries the task.
    :param kind: class that keeps the checkpoints.
    """
    return kind(TaskStateRecord(store), Attempt(1 + is_retry, 1, is_retry)).next_action()


def execute_in_chunks(
    ringcx: SandboxServer,
    ids: list[int],
    checkpoints: CheckpointStore,
    name: str = "MANUAL_LEADS",
    params: dict[str, Any] | None = None,
    *,
    client: RingCXClient | None = None,
    **options: Any,
) -> ActionResult:
    """Execute a lead action on leads, two of them in each chunk.

    :param ringcx: the sandbox.
    :param ids: the leads.
    :param checkpoints: keeps the checkpoint of the attempt.
    :param name: the lead action; the default is not safe to retry.
    :param params: its parameters; default valid ones.
    :param client: the client; default one that does not retry requests.
    :param options: other fields of ``BulkAction``.
    """
    client = client or make_client(ringcx.url, retry_timeout=0.0)
    selection = Selection({"leadIds": ids})
    action_params = PARAMS.get(name, {}) if params is None else params
    action = BulkAction.create(name, selection, action_params, **{"chunk_size": 2, **options})
    return client.lead_actions().execute(action, checkpoints)


def added_passes(ringcx: SandboxServer, rows: LeadRows, ids: list[int]) -> list[int]:
    """Return how many passes each lead has had since its row was read: one for each ``MANUAL_LEADS``."""
    before = {row["leadId"]: row["leadPasses"] for row in rows}
    now = {row["leadId"]: row["leadPasses"] for row in ringcx.leads()}
    return [now[lead_id] - before[lead_id] for lead_id in ids]


def lead_passes(ringcx: SandboxServer) -> dict[int, int]:
    """Return the number of passes of each lead of "Spring Renewals", by lead id."""
    return {lead["leadId"]: lead["leadPasses"] for lead in ringcx.leads("Spring Renewals")}


def lead_states(ringcx: SandboxServer, ids: list[int]) -> set[str]:
    """Return the states that these leads have."""
    return {lead["leadState"] for lead in ringcx.leads() if lead["leadId"] in ids}


def are_cancelled(ringcx: SandboxServer, ids: list[int]) -> list[bool]:
    """Return for each lead whether it is in the state CANCELLED."""
    states = {row["leadId"]: row["leadState"] for row in ringcx.leads()}
    return [states[lead_id] == "CANCELLED" for lead_id in ids]


def new_lists(ringcx: SandboxServer) -> Counter[int]:
    """Return the number of leads in each list that tests created in "Summer Win-Back", by list id."""
    leads = ringcx.leads("Summer Win-Back")
    return Counter(lead["listId"] for lead in leads if lead["listDesc"] == "Moved by a test")
