"""Checkpoints of all bulk actions of one task, kept from attempt to attempt."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import Checkpoint, CheckpointStore, Resumable
from airflow_provider_engagevoice.ringcx.concurrency import ForkSafeLock

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Attempt:
    """One attempt of a task.

    :param number: number of the attempt, from 1; it does not start again after a person cleared the task.
    :param series: the same for an attempt and its automatic retries, different after a person cleared the
        task; None if that is not known.
    :param is_retry: whether the attempt seems to be an automatic retry. A saved record of the same series
        shows that it is one, too.
    """

    number: int
    series: int | None = None
    is_retry: bool = False


class TaskRecord(ABC):
    """Keeps the record of one task between its attempts."""

    absence_means_not_started = True
    """If no record is found, no attempt has sent a request."""

    @property
    def is_durable(self) -> bool:
        """Whether a saved record outlives the attempt."""
        return True

    @abstractmethod
    def load(self) -> Mapping[str, Any] | None:
        """Return the record that was saved last; None if there is none."""

    @abstractmethod
    def start(self, record: Mapping[str, Any]) -> bool:
        """Replace the loaded record by that of the attempt that starts.

        :param record: a dict of JSON values, without any lead's data.
        :return: False if the record was changed since it was loaded; then it has to be loaded again.
        """

    @abstractmethod
    def save(self, record: Mapping[str, Any]) -> None:
        """Replace the record.

        :param record: as for :meth:`start`.
        :raises ServiceUnavailable: if it cannot be saved although an earlier one was: the stale record would
            mislead the next attempt.
        :raises Cancelled: if a newer attempt of the task has started.
        """


class AttemptCheckpoints:
    """The checkpoints of all bulk actions of one attempt.

    Each action gets the checkpoint that the earlier attempt saved for the same input, in any order. An action
    with other input gets the checkpoint of the action that had its place; :func:`load_checkpoint` decides
    whether it may start. If a person clears a task whose actions are all finished, all of them run again;
    otherwise the finished ones are not repeated.

    :param record: keeps the record.
    :param attempt: the attempt that starts.
    :raises ServiceUnavailable: if the record cannot be saved.
    """

    def __init__(self, record: TaskRecord, attempt: Attempt) -> None:
        self._record = record
        self._attempt = attempt
        self._lock = ForkSafeLock()
        self._checkpoints: list[Mapping[str, Any]] = []
        self._claimed: set[int] = set()
        self._next = 0
        self.is_retry = attempt.is_retry
        #: An earlier attempt of the series may have sent requests that no checkpoint shows.
        self.may_be_incomplete = False
        while not self._start():
            pass
        if not record.is_durable:
            log.warning("No writable checkpoint store; a retry of this task cannot resume")

    @property
    def is_durable(self) -> bool:
        """Whether saved checkpoints outlive the attempt."""
        return self._record.is_durable

    def next_action(self) -> CheckpointStore:
        """Return the checkpoint store of the next action of the attempt."""
        return _ActionCheckpointStore(self)

    def claim(self, action: Resumable, fingerprint: str) -> int:
        """Return the number of the checkpoint that the next action of the attempt continues.

        :param action: the action.
        :param fingerprint: its fingerprint.
        """
        with self._lock.held():
            free = [number for number in range(len(self._checkpoints)) if number not in self._claimed]
            number = self._find(free, action, fingerprint)
            if number is None:
                number = self._next if self._next in free else len(self._checkpoints)
            if number == len(self._checkpoints):
                self._checkpoints.append({})
            self._claimed.add(number)
            self._next += 1
            return number

    def load(self, number: int) -> Mapping[str, Any] | None:
        """Return a checkpoint; None if the action has none, or if a newer one may exist elsewhere.

        :param number: from :meth:`claim`.
        """
        return None if self.may_be_incomplete else self._checkpoints[number] or None

    def save(self, number: int, checkpoint: Mapping[str, Any]) -> None:
        """Replace a checkpoint.

        :param number: from :meth:`claim`.
        :param checkpoint: the checkpoint.
        :raises ServiceUnavailable: if it cannot be saved.
        :raises Cancelled: if a newer attempt of the task has started.
        """
        with self._lock.held():
            self._checkpoints[number] = checkpoint
            self._record.save(self._to_json())

    def _find(self, free: list[int], action: Resumable, fingerprint: str) -> int | None:
        saved = {number: self._checkpoints[number] for number in free}
        same = [number for number in free if saved[number].get("fingerprint") == fingerprint]
        if same or action.is_retry_safe or not self.is_retry:
            return next(iter(same), None)
        # Possibly this action, with other input: repeating it could apply it to the same leads again.
        return next(
            (
                number
                for number in free
                if saved[number].get("action") == action.name
                and Checkpoint.from_json(saved[number]).may_have_changed_leads
            ),
            None,
        )

    def _start(self) -> bool:
        """Load the record and replace it; return False if another attempt replaced it meanwhile."""
        saved, attempt = self._record.load(), self._attempt
        if saved is not None and saved["attempt"] >= attempt.number:
            # Airflow never repeats a number, so the run was deleted and started again under the same name.
            saved = None
        # An attempt that left no record ran elsewhere, or could not save anything.
        gap = saved is None or saved["attempt"] < attempt.number - 1
        lost = gap and not self._record.absence_means_not_started
        if saved is None or attempt.series is None:
            self.is_retry = attempt.is_retry
        elif saved["series"] == attempt.series:
            self.is_retry = True
        else:
            # Otherwise earlier attempts of this series, if any, ended before their first request.
            self.is_retry = attempt.is_retry and lost
        incomplete = saved is not None and saved["may_be_incomplete"]
        self.may_be_incomplete = self.is_retry and (lost or incomplete)
        self._checkpoints = [] if saved is None else list(saved["checkpoints"])
        started = [checkpoint for checkpoint in self._checkpoints if checkpoint]
        if not self.is_retry and all(checkpoint.get("finished") for checkpoint in started):
            self._checkpoints = []
        return self._record.start(self._to_json())

    def _to_json(self) -> dict[str, Any]:
        return {
            "attempt": self._attempt.number,
            "series": self._attempt.series,
            "may_be_incomplete": self.may_be_incomplete,
            "checkpoints": self._checkpoints,
        }


class _ActionCheckpointStore(CheckpointStore):
    """Keeps the checkpoint of one action of an attempt."""

    def __init__(self, attempt: AttemptCheckpoints) -> None:
        super().__init__(attempt.is_retry)
        self._attempt = attempt
        self._number: int | None = None

    @property
    def absence_means_not_started(self) -> bool:
        return not self._attempt.may_be_incomplete

    @property
    def is_durable(self) -> bool:
        return self._attempt.is_durable

    def load(self, action: Resumable, fingerprint: str) -> Mapping[str, Any] | None:
        self._number = self._attempt.claim(action, fingerprint)
        return self._attempt.load(self._number)

    def save(self, checkpoint: Mapping[str, Any]) -> None:
        assert self._number is not None, "a checkpoint is loaded before it is saved"
        self._attempt.save(self._number, checkpoint)
