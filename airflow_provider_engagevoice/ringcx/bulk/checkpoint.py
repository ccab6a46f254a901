"""What has been done of a chunked action, kept so that another try goes on instead of starting over."""

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


@dataclass
class Checkpoint:
    """How far an action has come. Between tries of a task it is kept in a :class:`CheckpointStore`.

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
    def of(cls, kept: Mapping[str, Any]) -> Checkpoint:
        """Read what was written."""
        known = {each.name for each in fields(cls)}
        return cls(**{"fingerprint": "", **{name: kept[name] for name in known & kept.keys()}})


class CheckpointStore(ABC):
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


class NullCheckpointStore(CheckpointStore):
    """Keeps nothing: another try starts over."""

    @property
    def keeps(self) -> bool:
        return False

    def read(self) -> Mapping[str, Any] | None:
        return None

    def write(self, record: Mapping[str, Any]) -> None:
        pass


#: Part of every fingerprint: records of another version of the package are not gone on with.
_VERSION = 1


def action_fingerprint(act: BulkAction, chunks: Chunks, account_id: str) -> str:
    """Make the fingerprint of all that an action is made of: the same one, the same requests.

    :param act: the action.
    :param parts: its requests.
    :param account_id: the sub-account.
    :return: the fingerprint.
    """
    body = act.selection.body
    filters = {name: value for name, value in body.items() if name not in IDENTITIES}
    ids = {name: fingerprint(body[name]) for name in sorted(IDENTITIES & body.keys())}
    params = act.params if act.given is None else act.given
    made_of = [_VERSION, act.action.name, account_id, filters, ids, params, chunks.size]
    return fingerprint([json.dumps(made_of, sort_keys=True, default=str)])


def generated_params(act: BulkAction) -> dict[str, Any]:
    """Give the parameters that were not given but filled in, as with the present moment."""
    given = act.given
    return {name: value for name, value in act.params.items() if given and name not in given}


def resume(
    journal: CheckpointStore, act: BulkAction, requests: int, own: Callable[[], str]
) -> Checkpoint | None:
    """Take over the record of an earlier try, if it was the same action.

    :param journal: where it may be.
    :param act: the action.
    :param requests: how many it has.
    :param own: gives its fingerprint.
    :return: the record to go on with; None to start afresh.
    :raises OutcomeUnknown: where the journal may have been lost, and what the earlier try may have done must
        not be done twice.
    """
    kept = journal.read()
    name = act.action.name
    if kept is None:
        if journal.retried and not journal.complete and not act.action.is_retry_safe(act.params):
            raise OutcomeUnknown(
                f"An earlier try of this task may have done some or all of the {requests} requests of "
                f"{name}, which must not be done twice; what it did is not known here. Look at the leads; if "
                "you clear the task, it does all that is not known here to be done"
            )
        return None
    record = Checkpoint.of(kept)
    if not record.fingerprint or (record.finished and not journal.retried):
        return None
    if record.fingerprint != own():
        log.warning(
            "%s: the input has changed since the last try of this task; starting afresh (that try did %d "
            "requests)",
            name,
            record.done,
        )
        return None
    log.info(
        "%s: an earlier try did %d of %d requests; %s",
        name,
        record.done,
        requests,
        "nothing is left to do" if record.finished else "going on with the others",
    )
    return record
