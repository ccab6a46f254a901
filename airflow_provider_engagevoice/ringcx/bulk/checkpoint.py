"""Checkpoints of a bulk action: a retry of the task resumes from them."""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown
from airflow_provider_engagevoice.ringcx.leads.id_spool import fingerprint
from airflow_provider_engagevoice.ringcx.leads.selection import IDENTITIES, Chunks

log = logging.getLogger(__name__)

#: Part of every fingerprint. Increase it if the fields of :class:`Checkpoint` change, so that a checkpoint
#: of another version of the package is not resumed from.
_VERSION = 2


@dataclass
class Checkpoint:
    """Progress of a bulk action, kept between attempts of a task in a :class:`CheckpointStore`.

    It holds chunk numbers and counts, but no lead's data: the same input is split into the same chunks.

    :param fingerprint: fingerprint of the action and its input; a checkpoint of another input is not used.
    :param next: first chunk that has not been sent; all chunks before it have an outcome.
    :param rejected: chunks before it that RingCX rejected; a later attempt sends them again.
    :param in_flight: chunk that was sent or about to be sent and whose outcome is not known yet.
    :param matched: number of leads of the chunk in flight.
    :param outcome_reported: ``OutcomeUnknown`` has been raised for the chunk in flight.
    :param params: generated parameters, and the list id of a move into a new list once it is known.
    :param previous_list_ids: lists of a move's target before the move; None if it makes no list.
    :param counts: the result so far.
    :param report_bytes: size of the report of these chunks.
    :param finished: the action is complete.
    """

    fingerprint: str
    next: int = 0
    rejected: list[int] = field(default_factory=list)
    in_flight: int | None = None
    matched: int = 0
    outcome_reported: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    previous_list_ids: list[int] | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    report_bytes: int = 0
    finished: bool = False

    @property
    def completed(self) -> int:
        """Number of chunks that RingCX accepted."""
        return self.next - len(self.rejected)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Checkpoint:
        """Return the checkpoint that was saved; unknown fields are ignored."""
        known = {each.name for each in fields(cls)}
        return cls(**{"fingerprint": "", **{name: saved[name] for name in known & saved.keys()}})


class CheckpointStore(ABC):
    """Keeps the checkpoint of one task between its attempts.

    :param is_retry: Airflow runs the task again after a failure. False for the first attempt, and for the
        first attempt after a person cleared the task.
    """

    absence_means_not_started = True
    """If no checkpoint is found, no request has been sent."""

    def __init__(self, is_retry: bool = False) -> None:
        self.is_retry = is_retry

    @property
    def is_durable(self) -> bool:
        """Whether a saved checkpoint outlives the attempt."""
        return True

    @abstractmethod
    def load(self) -> Mapping[str, Any] | None:
        """Return the checkpoint that was saved last; None if there is none."""

    @abstractmethod
    def save(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the saved checkpoint.

        :param checkpoint: a dict of JSON values, without any lead's data.
        :raises ServiceUnavailable: if it cannot be saved although an earlier one was: the stale checkpoint
            would mislead the next attempt.
        """

    def mark_started(self) -> None:  # noqa: B027
        """Record that the attempt has started, if the next attempt needs it."""


class NullCheckpointStore(CheckpointStore):
    """Keeps nothing: the next attempt starts from the beginning."""

    @property
    def is_durable(self) -> bool:
        return False

    def load(self) -> Mapping[str, Any] | None:
        return None

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        pass


def action_fingerprint(action: BulkAction, chunks: Chunks, account_id: str) -> str:
    """Return a digest of everything that determines the requests of an action.

    :param action: the action.
    :param chunks: its chunks.
    :param account_id: the sub-account.
    :return: the digest.
    """
    body = action.selection.body
    filters = {name: value for name, value in body.items() if name not in IDENTITIES}
    ids = {name: fingerprint(body[name]) for name in sorted(IDENTITIES & body.keys())}
    params = action.params if action.authored_params is None else action.authored_params
    content = [_VERSION, action.name, account_id, filters, ids, params, chunks.size]
    return fingerprint([json.dumps(content, sort_keys=True, default=str)])


def load_checkpoint(
    store: CheckpointStore, action: BulkAction, chunk_count: int, current_fingerprint: Callable[[], str]
) -> Checkpoint | None:
    """Return the checkpoint of an earlier attempt at the same action.

    :param store: keeps the checkpoint.
    :param action: the action.
    :param chunk_count: number of its chunks.
    :param current_fingerprint: returns the fingerprint of the action; called only if there is a checkpoint.
    :return: the checkpoint to resume from; None to start from the beginning.
    :raises OutcomeUnknown: if the checkpoint may be lost and the action is not retry-safe.
    """
    saved = store.load()
    if saved is None:
        if store.is_retry and not store.absence_means_not_started and not action.is_retry_safe:
            raise OutcomeUnknown(
                "Check the leads before running the task again: a previous attempt may have completed some "
                f"of the {chunk_count} chunks of {action.name}, and its checkpoint is not available here. "
                f"{action.name} is not safe to retry, so nothing was sent. Clearing the task runs every "
                "chunk whose outcome is not known here"
            )
        return None
    checkpoint = Checkpoint.from_json(saved)
    if not checkpoint.fingerprint or (checkpoint.finished and not store.is_retry):
        return None
    if checkpoint.fingerprint != current_fingerprint():
        log.warning(
            "%s: the input changed since the last attempt, which completed %d chunks; starting from the "
            "beginning",
            action.name,
            checkpoint.completed,
        )
        return None
    log.info(
        "%s: resuming; a previous attempt completed %d of %d chunks%s",
        action.name,
        checkpoint.completed,
        chunk_count,
        ", nothing is left to do" if checkpoint.finished else "",
    )
    return checkpoint
