"""Checkpoints of a bulk action: a retry of the task resumes from them."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from airflow_provider_engagevoice.ringcx.bulk.action import BulkAction
from airflow_provider_engagevoice.ringcx.bulk.descriptions import chunk_names
from airflow_provider_engagevoice.ringcx.bulk.digests import action_fingerprint
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """Progress of a bulk action, kept between attempts of a task in a :class:`CheckpointStore`.

    It holds chunk numbers and counts, but no lead's data: the same input is split into the same chunks.

    :param fingerprint: fingerprint of the action and its input; a checkpoint of another input is not used.
    :param digests: digest of each part of the input, to show which of them changed.
    :param action: name of the action.
    :param retry_safe: the action is safe to retry.
    :param chunk_size: maximum number of ids in a chunk; None if the ids are not split.
    :param next: first chunk that has not been started.
    :param pending: chunks before it without an outcome.
    :param rejected: chunks before it that RingCX rejected; a later attempt sends them again.
    :param skipped: chunks before it that were skipped because their outcome is unknown.
    :param in_flight: those of the pending chunks that were sent or about to be sent and whose outcome is not
        known yet, each with the number of its leads.
    :param outcome_reported: those of the chunks in flight for which ``OutcomeUnknown`` has been raised.
    :param params: generated parameters, and the list id of a move into a new list once it is known.
    :param previous_list_ids: lists of a move's target before the move; None if it makes no list.
    :param counts: the result so far.
    :param report_bytes: size of the report of these chunks.
    :param finished: the action is complete.
    """

    fingerprint: str
    digests: dict[str, str] = field(default_factory=dict)
    action: str = ""
    retry_safe: bool = False
    chunk_size: int | None = None
    next: int = 0
    pending: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    in_flight: dict[int, int] = field(default_factory=dict)
    outcome_reported: list[int] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    previous_list_ids: list[int] | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    report_bytes: int = 0
    finished: bool = False

    @property
    def completed(self) -> int:
        """Number of chunks that RingCX accepted."""
        return self.next - len(self.rejected) - len(self.skipped) - len(self.pending)

    @property
    def may_have_changed_leads(self) -> bool:
        """Whether any request may have been applied."""
        return bool(self.in_flight or self.counts.get("requests"))

    def to_json(self) -> dict[str, Any]:
        """Return a dict of JSON values."""
        # The keys of a JSON object are text.
        in_flight = {str(number): matched for number, matched in self.in_flight.items()}
        return {**vars(self), "in_flight": in_flight}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Checkpoint:
        """Return the checkpoint that was saved; unknown fields are ignored."""
        known = {each.name for each in fields(cls)}
        values = {"fingerprint": "", **{name: saved[name] for name in known & saved.keys()}}
        values["in_flight"] = {
            int(number): matched for number, matched in (values.get("in_flight") or {}).items()
        }
        return cls(**values)


class Resumable(Protocol):
    """Work that a later attempt of its task can resume, such as a bulk action."""

    @property
    def name(self) -> str:
        """Name of the work, for messages."""

    @property
    def is_retry_safe(self) -> bool:
        """Whether the work can be retried from the beginning without additional effect."""


class CheckpointStore(ABC):
    """Keeps the checkpoint of one bulk action or load between the attempts of its task.

    :param is_retry: Airflow runs the task again after a failure. False for the first attempt, and for the
        first attempt after a person cleared the task.
    """

    def __init__(self, is_retry: bool = False) -> None:
        self.is_retry = is_retry

    @property
    def absence_means_not_started(self) -> bool:
        """Whether no request has been sent if no checkpoint is found."""
        return True

    @property
    def is_durable(self) -> bool:
        """Whether a saved checkpoint outlives the attempt."""
        return True

    @abstractmethod
    def load(self, action: Resumable, fingerprint: str) -> Mapping[str, Any] | None:
        """Return the checkpoint that an earlier attempt saved last; None if there is none.

        :param action: the action or load that is about to start.
        :param fingerprint: its fingerprint. The checkpoint that is returned may have another one.
        """

    @abstractmethod
    def save(self, checkpoint: Mapping[str, Any]) -> None:
        """Replace the saved checkpoint; :meth:`load` was called before.

        :param checkpoint: a dict of JSON values, without any lead's data.
        :raises ServiceUnavailable: if it cannot be saved although an earlier one was: the stale checkpoint
            would mislead the next attempt.
        :raises Cancelled: if a newer attempt of the task has started.
        """


class NullCheckpointStore(CheckpointStore):
    """Keeps nothing: the next attempt starts from the beginning."""

    @property
    def is_durable(self) -> bool:
        return False

    def load(self, action: Resumable, fingerprint: str) -> Mapping[str, Any] | None:
        return None

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        pass


def load_checkpoint(
    store: CheckpointStore, action: BulkAction, chunk_count: int, digests: Mapping[str, str]
) -> Checkpoint | None:
    """Return the checkpoint of an earlier attempt at the same action.

    :param store: keeps the checkpoint.
    :param action: the action.
    :param chunk_count: number of its chunks.
    :param digests: from :func:`input_digests`.
    :return: the checkpoint to resume from; None to start from the beginning.
    :raises OutcomeUnknown: if Airflow retries an action that is not retry-safe, and the checkpoint may be
        lost, or an earlier attempt with other input may have changed leads.
    """
    current = action_fingerprint(digests)
    saved = store.load(action, current)
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
    if not checkpoint.fingerprint:
        return None
    if checkpoint.fingerprint != current:
        changed = [name for name in digests if checkpoint.digests.get(name) != digests[name]]
        _discard_changed(store, action, checkpoint, " and ".join(changed) or "input")
        return None
    log.info(
        "%s: resuming; a previous attempt completed %d of %d chunks%s",
        action.name,
        checkpoint.completed,
        len(replace(action.chunks(), size=checkpoint.chunk_size)),
        ", nothing is left to do" if checkpoint.finished else "",
    )
    return checkpoint


def _discard_changed(
    store: CheckpointStore, action: BulkAction, checkpoint: Checkpoint, changed: str
) -> None:
    """Forget the checkpoint of an attempt with other input.

    :raises OutcomeUnknown: if Airflow retries the task and the action could be applied to leads again.
    """
    unsafe = not (action.is_retry_safe and checkpoint.retry_safe)
    if store.is_retry and unsafe and checkpoint.may_have_changed_leads:
        raise changed_input_error(action.name, checkpoint, changed)
    log.warning(
        "%s: starting from the beginning, because the %s changed since the last attempt, which completed %d "
        "chunks",
        action.name,
        changed,
        checkpoint.completed,
    )
    store.save({})


def changed_input_error(name: str, checkpoint: Checkpoint, changed: str) -> OutcomeUnknown:
    """Return the error of an automatic retry whose input differs from that of the attempt before.

    :param name: name of the action.
    :param checkpoint: the checkpoint of the attempt before.
    :param changed: what changed.
    :return: the error.
    """
    updated = checkpoint.counts.get("leads_updated", 0) + checkpoint.counts.get("leads_deleted", 0)
    numbers = checkpoint.in_flight
    in_flight = f"; {chunk_names(numbers)} may be applied, too" if numbers else ""
    hint = (
        ". A template of the current time differs in each attempt; use a time of the run, such as {{ ts }}"
        if "parameters" in changed
        else ""
    )
    return OutcomeUnknown(
        f"Check the leads before clearing the task: the {changed} changed after a previous attempt of {name} "
        f"had completed {_count(checkpoint.completed, 'chunk')} with {_count(updated, 'lead')}{in_flight}. "
        f"{name} is not safe to retry, so nothing was sent. Clearing the task starts from the beginning, "
        f"also for leads that are done{hint}"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
