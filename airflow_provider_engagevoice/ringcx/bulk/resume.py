"""What another try of a task makes of the record that it finds."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_engagevoice.ringcx.bulk.checkpoint import Journal, Record
from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown
from airflow_provider_engagevoice.ringcx.leads.id_spool import fingerprint
from airflow_provider_engagevoice.ringcx.leads.selection import IDENTITIES, Parts

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.bulk.executor import Act

log = logging.getLogger(__name__)

#: Part of every fingerprint: records of another version of the package are not gone on with.
_VERSION = 1


def fingerprint_of(act: Act, parts: Parts, account_id: str) -> str:
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
    made_of = [_VERSION, act.action.name, account_id, filters, ids, params, parts.size]
    return fingerprint([json.dumps(made_of, sort_keys=True, default=str)])


def filled_in(act: Act) -> dict[str, Any]:
    """Give the parameters that were not given but filled in, as with the present moment."""
    given = act.given
    return {name: value for name, value in act.params.items() if given and name not in given}


def resume(journal: Journal, act: Act, requests: int, own: Callable[[], str]) -> Record | None:
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
        if journal.retried and not journal.complete and not act.action.may_be_repeated(act.params):
            raise OutcomeUnknown(
                f"An earlier try of this task may have done some or all of the {requests} requests of "
                f"{name}, which must not be done twice; what it did is not known here. Look at the leads; if "
                "you clear the task, it does all that is not known here to be done"
            )
        return None
    record = Record.of(kept)
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
