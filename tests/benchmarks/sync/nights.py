"""Two nights of a program that keeps a campaign in step: one with an accident, and one without."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError
from airflow_provider_engagevoice.ringcx.storage.memory import MemoryStore
from airflow_provider_engagevoice.ringcx.sync.lead_states import FINISHED_STATES, KEPT_STATES
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from tests.benchmarks.sync.nightly_script import NightlyScript
from tests.benchmarks.sync.nightly_sync import NightlySync
from tests.support.bulk import Killed
from tests.support.fixtures import PACED_MODULES, replace_clocks

CAMPAIGN, OTHER_CAMPAIGN = "Spring Renewals", "Summer Win-Back"
PROGRAMS = ("script", "package")
LEADS, BY_HAND, SURPLUS, NEW = 400, 20, 10, 15
"""Leads of the program, leads of another one, and what has changed in the CRM since the night before."""
TIMEOUT = 2.0

#: Most keys have a leading zero.
_FIRST = 9_700
#: Seconds between two attempts, and between two nights.
_RETRY_DELAY, _DAY = 300.0, 3_600.0
_NOT_DIALLED = FINISHED_STATES | KEPT_STATES | {"PAUSED"}

log = logging.getLogger(__name__)

Row = dict[str, Any]


def crm_rows(first: int, count: int) -> list[Row]:
    """Return rows of the CRM.

    :param first: number of the first one, from 0.
    :param count: number of rows.
    """
    numbers = range(_FIRST + first, _FIRST + first + count)
    return [{"externId": f"{n:05d}", "leadPhone": f"30355{n:05d}", "firstName": "Ada"} for n in numbers]


def ignore(value: object) -> None:
    """Do nothing.

    :param value: not used.
    """


@dataclass(frozen=True)
class Harm:
    """Results of two nights.

    :param removed: leads that were removed although nothing asked for it.
    :param twice: people who have two leads that are dialled, or asked not to be called and have one.
    :param missed: people of the CRM who are not called.
    """

    removed: int
    twice: int
    missed: int


@dataclass
class Nights:
    """A campaign, the program that keeps it in step, and what an accident needs.

    :param server: the sandbox.
    :param start: starts a run of the program: its rows and its id.
    """

    server: SandboxServer
    start: Callable[[Sequence[Row], str], None]
    #: Called with the URL after each response to the program.
    on_response: Callable[[str], object] = field(default_factory=lambda: ignore, init=False)
    #: Seconds after which a run that has failed is started again.
    retry_delay: float = field(default=_RETRY_DELAY, init=False)
    #: Leads that must not be removed, and those of them that may be removed from the second night on.
    protected: set[int] = field(default_factory=set, init=False)
    protected_now: set[int] = field(default_factory=set, init=False)
    _runs: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)

    @property
    def surplus(self) -> list[Row]:
        """The leads of the program that the CRM does not have any more."""
        keys = {row["externId"] for row in crm_rows(0, SURPLUS)}
        return [lead for lead in self.server.leads(CAMPAIGN) if lead["externId"] in keys]

    def run(self, rows: Sequence[Row]) -> None:
        """Run the program; start it again once if it fails.

        :param rows: the rows of the CRM.
        """
        run_id = f"run {next(self._runs)}"
        for _ in range(2):
            try:
                self.start(rows, run_id)
            except (EngageVoiceError, requests.RequestException, Killed) as error:
                log.debug("%s failed: %s", run_id, error)
                self.server.advance(self.retry_delay)
            else:
                return

    def meanwhile(self, operation: str, work: Callable[[], object]) -> None:
        """Do something right before RingCX processes the next request of an operation.

        :param operation: the sandbox's name of it.
        :param work: what is done.
        """
        self.server.fault("meanwhile", operation=operation, work=work)

    def change_leads(self, leads: Sequence[Row], column: str, value: object) -> None:
        """Change leads as a dialer, an agent or a supervisor does.

        :param leads: the leads.
        :param column: the column of the sandbox that changes.
        :param value: its new value.
        """
        with self.server._state.store.changing() as connection:
            connection.executemany(
                f"UPDATE leads SET {column} = ? WHERE leadId = ?", [(value, lead["leadId"]) for lead in leads]
            )

    def load_by_hand(self, rows: Sequence[Row]) -> None:
        """Load leads as a user does; they must not be removed.

        :param rows: the rows.
        """
        before = self._lead_ids()
        campaign_id = self.server.campaign(CAMPAIGN)["campaignId"]
        NightlyScript(self.server.url, campaign_id, 20.0, ignore, ignore).load(rows)
        self.protected |= self._lead_ids() - before

    def measure(self, tonight: Sequence[Row], tomorrow: Sequence[Row]) -> Harm:
        """Run the program in both nights; return what it has done.

        :param tonight: the rows of the first night.
        :param tomorrow: the rows of the second one, which are correct.
        """
        surplus = {lead["leadId"] for lead in self.surplus}
        self.protected |= {lead["leadId"] for lead in self.server.leads(CAMPAIGN)} - surplus
        self.run(tonight)
        self.server.clear_faults()
        self.on_response = ignore
        lost = (self.protected | self.protected_now) - self._lead_ids()
        twice = self._called_twice()
        self.server.advance(_DAY)
        self.run(tomorrow)
        lost |= self.protected - self._lead_ids()
        twice |= self._called_twice()
        dialled = {lead["leadPhone"] for lead in self._dialled()}
        wanted = {row["leadPhone"] for row in tomorrow}
        return Harm(len(lost), len(twice), len(wanted - dialled - self._not_to_be_called))

    #: Phone numbers of people who have asked not to be called.
    _not_to_be_called: set[str] = field(default_factory=set, init=False)

    def ask_not_to_be_called(self, leads: Sequence[Row]) -> None:
        """Set leads to ``DO-NOT-CALL``, as an agent does.

        :param leads: the leads.
        """
        self.change_leads(leads, "leadState", "DO-NOT-CALL")
        self._not_to_be_called |= {lead["leadPhone"] for lead in leads}

    def _lead_ids(self) -> set[int]:
        return {lead["leadId"] for lead in self.server.leads()}

    def _dialled(self) -> list[Row]:
        leads = self.server.leads()
        return [lead for lead in leads if lead["leadState"] not in _NOT_DIALLED and not lead["suppressed"]]

    def _called_twice(self) -> set[str]:
        numbers = Counter(lead["leadPhone"] for lead in self._dialled())
        return {each for each, count in numbers.items() if count > 1 or each in self._not_to_be_called}


@contextmanager
def prepare(program: str, **settings: Any) -> Iterator[Nights]:
    """Yield a campaign that the program has loaded, with leads that a user has loaded by hand.

    :param program: one of ``PROGRAMS``.
    :param settings: settings of the sandbox.
    """
    with (
        tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder,
        SandboxServer(Settings(**{"size": 0, "limits": "off", **settings})) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        clock = replace_clocks(patch, (*PACED_MODULES, "transport.http"))
        clock.on_pause = lambda: server.advance(clock.pauses[-1])
        nights = Nights(server, lambda rows, run_id: None)
        campaign_id = server.campaign(CAMPAIGN)["campaignId"]
        by_hand = [{"externId": f"EVENT-{n}", "leadPhone": f"30366{n:05d}"} for n in range(BY_HAND)]
        nights.load_by_hand(by_hand)

        def report(url: str) -> None:
            nights.on_response(url)

        if program == "script":
            script = NightlyScript(server.url, campaign_id, TIMEOUT, server.advance, report)
            nights.start = lambda rows, run_id: script.run(rows)
            script.run(crm_rows(0, LEADS))
        else:
            sync = NightlySync(server.url, campaign_id, TIMEOUT, Path(folder), MemoryStore(), report)
            nights.start = sync.run
            sync.run(crm_rows(0, LEADS), "first load", is_approved=True)
        if len(server.leads(CAMPAIGN)) != LEADS + BY_HAND:
            raise RuntimeError("The leads are not loaded")
        server.advance(_DAY)
        yield nights
