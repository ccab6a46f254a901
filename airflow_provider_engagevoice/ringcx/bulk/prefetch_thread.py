"""Counting leads in a thread, beside what the client itself does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_provider_engagevoice.ringcx.auth.refresh import SignIn
from airflow_provider_engagevoice.ringcx.concurrency import Stop
from airflow_provider_engagevoice.ringcx.exceptions import AuthenticationError
from airflow_provider_engagevoice.ringcx.leads.search import Leads
from airflow_provider_engagevoice.ringcx.leads.selection import Selection

if TYPE_CHECKING:
    from airflow_provider_engagevoice.ringcx.client import RingCXClient
    from airflow_provider_engagevoice.ringcx.transport.http import Transport

#: Most seconds for an answer: who waits longer for a count may as well ask again.
_TIMEOUT = 10.0


class _Lent(SignIn):
    """A token that somebody else has got, and renews.

    Masking a new one talks to Airflow's supervisor, which before Airflow 3.2 one thread only may do.
    """

    given: Mapping[str, str]

    def headers(self, transport: Transport) -> Mapping[str, str]:
        return self.given

    def renew(self, transport: Transport, rejected: Mapping[str, str]) -> None:
        raise AuthenticationError("RingCX rejected the token")


class Beside:
    """Counts leads on a connection of its own. Each request is sent once: who needs the count, asks again.

    :param client: whose token and limits it keeps to.
    :param account_id: the sub-account.
    """

    def __init__(self, client: RingCXClient, account_id: str) -> None:
        self._client = client
        self._lent = _Lent()
        connect, answer = client.transport.timeout
        timeout = (min(connect, _TIMEOUT), min(answer, _TIMEOUT))
        self._transport = replace(client.transport, timeout=timeout, patience=0.0, stop=Stop())
        own = replace(client, sign_in=self._lent, transport=self._transport)
        self._leads = Leads(own.request, account_id)

    def count(self, selection: Selection) -> Future[int]:
        """Begin to count leads.

        :param selection: the leads.
        :return: their number, once it is known.
        :raises RuntimeError: where no thread can be started.
        :raises EngageVoiceError: where there is no token.
        """
        self._lent.given = self._client.sign_in.headers(self._client.transport)
        number = Future[int]()

        def work() -> None:
            try:
                number.set_result(self._leads.count(selection))
            except BaseException as error:  # raised where the number is asked for
                number.set_exception(error)

        # No pool: its threads would keep a process from ending.
        threading.Thread(target=work, name="ringcx-count", daemon=True).start()
        return number

    def close(self) -> None:
        """Send nothing more."""
        self._transport.stop.set()
        self._transport.close()
