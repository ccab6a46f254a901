"""What has been done of a chunked action, kept so that another try goes on instead of starting over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass
class Record:
    """How far an action has come. Between tries of a task it is kept in a :class:`Journal`.

    It holds numbers of requests, never a lead's data: the same input gives the same requests.

    :param fingerprint: of all that the action is made of; another one is another action.
    :param next: first request that has not been sent; those before it have an outcome.
    :param again: requests among those that RingCX rejected, so that they may be sent again.
    :param begun: a request that was sent, or was about to be, and whose outcome is not known.
    :param matched: leads that one was for.
    :param told: somebody is being told that its outcome is not known.
    :param params: what the ``paramMap`` of the next request has besides what was given.
    :param older: lists of a move's target before the move; None where it makes no list.
    :param counts: the counts of the summary so far.
    :param reported: bytes of the report about these requests.
    :param finished: the action has been done.
    """

    fingerprint: str
    next: int = 0
    again: list[int] = field(default_factory=list)
    begun: int | None = None
    matched: int = 0
    told: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    older: list[int] | None = None
    counts: dict[str, Any] = field(default_factory=dict)
    reported: int = 0
    finished: bool = False

    @property
    def done(self) -> int:
        """How many requests have been done."""
        return self.next - len(self.again)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Record:
        """Read what was written."""
        known = {each.name for each in fields(cls)}
        return cls(**{"fingerprint": "", **{name: kept[name] for name in known & kept.keys()}})


class Journal(ABC):
    """Keeps one small record of an action's progress from one try of a task to the next.

    :param retried: an earlier try of the task has failed, and this one follows it by itself. False for the
        first try, and for the first one after a person cleared the task.
    """

    complete = True
    """Where no record is found, nothing has been begun."""

    def __init__(self, retried: bool = False) -> None:
        self.retried = retried

    @property
    def keeps(self) -> bool:
        """What is written outlives the try."""
        return True

    @abstractmethod
    def read(self) -> Mapping[str, Any] | None:
        """Give the record that was written last; None where there is none."""

    @abstractmethod
    def write(self, record: Mapping[str, Any]) -> None:
        """Keep a record in the place of the last one.

        :param record: a dict of JSON values, without any lead's data.
        :raises ServiceUnavailable: where it cannot be kept, though the last one was; the last one would be
            taken for the truth.
        """

    def open(self) -> None:  # noqa: B027
        """Note that nothing has been begun yet, where another try could not tell otherwise."""


class NoJournal(Journal):
    """Keeps nothing: another try starts over."""

    @property
    def keeps(self) -> bool:
        return False

    def read(self) -> Mapping[str, Any] | None:
        return None

    def write(self, record: Mapping[str, Any]) -> None:
        pass
