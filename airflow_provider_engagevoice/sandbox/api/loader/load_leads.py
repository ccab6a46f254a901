"""Inserts the leads of a load into a new list: duplicates, do-not-call, agents and rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_engagevoice.sandbox.api.loader.load_options import LoadOptions
from airflow_provider_engagevoice.sandbox.api.loader.load_results import SUCCESS_MESSAGE, Counts
from airflow_provider_engagevoice.sandbox.api.loader.load_rows import NewLead, parse_leads
from airflow_provider_engagevoice.sandbox.http.parsing import parse_integer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.dnc import BlockedNumbers, find_blocked
from airflow_provider_engagevoice.sandbox.state.phones import phone_digits
from airflow_provider_engagevoice.sandbox.state.store import LEAD_COLUMNS

_INSERT = f"INSERT INTO leads ({', '.join(LEAD_COLUMNS)}) VALUES ({', '.join('?' * len(LEAD_COLUMNS))})"

#: Values of ``dncScrubOption`` that use the account's own entries. Source: contract, Campaign. The sandbox
#: has no national do-not-call list and no list of cellular numbers.
_INTERNAL_SCRUB_OPTIONS = frozenset({"INTERNAL_AND_NATIONAL", "INTERNAL_ONLY", "CELLULAR_AND_INTERNAL"})


@dataclass(frozen=True)
class Target:
    """Target campaign and user of a load.

    :param account: the sub-account.
    :param campaign: id of the campaign.
    :param max_passes: the campaign's ``maxPasses``, the default of its leads.
    :param scrub: the campaign's ``dncScrubOption``.
    :param user: name of the loading user.
    """

    account: str
    campaign: int
    max_passes: int | None
    scrub: str
    user: str


@dataclass(frozen=True)
class Load:
    """A load of leads.

    :param connection: the database, inside a transaction.
    :param target: the target campaign.
    :param options: the options of the load.
    :param settings: the settings ``dnc_scrubbed`` and ``load_lists`` apply.
    :param now: milliseconds since 1970.
    """

    connection: sqlite3.Connection
    target: Target
    options: LoadOptions
    settings: Settings
    now: int

    def run(self, entries: Sequence[object]) -> Counts:
        """Load leads; if no lead passes validation, no list is created (assumed).

        :param entries: the untrusted leads.
        :return: the lead counts.
        """
        accepted, rejected = parse_leads(entries, self.options)
        if not accepted:
            return Counts(len(entries), rejected=rejected)
        agents = self._agent_ids()
        unique = _WITHOUT_DUPLICATES[self.options.duplicates](self, accepted)
        blocked = self._find_blocked(unique)
        chosen = (
            unique
            if self.settings.dnc_scrubbed == "insert"
            else [lead for lead in unique if not _is_blocked(lead, blocked)]
        )
        counts = Counts(
            supplied=len(entries),
            accepted=len(accepted),
            inserted=len(chosen),
            duplicates=len(accepted) - len(unique),
            scrubbed=sum(_is_blocked(lead, blocked) for lead in unique),
            failed_agents=sum(
                _requests_agent(lead) and _valid_agent(lead, agents) is None for lead in accepted
            ),
            rejected=rejected,
        )
        list_id = self.add_list(counts, "OK", SUCCESS_MESSAGE)
        self._insert(chosen, list_id, agents, blocked)
        return counts

    def add_list(self, counts: Counts, result: str, message: str) -> int:
        """Create the list of this load; a missing name is generated (assumed).

        :param counts: the lead counts.
        :param result: ``OK`` or ``Failed``.
        :param message: message stored in the list.
        :return: id of the list.
        """
        name = self.options.description if self.settings.load_lists == "named" else ""
        cursor = self.connection.execute(
            "INSERT INTO lists (campaignId, listDesc, listState, leadsSupplied, leadsAccepted,"
            " leadsDoNotCall, uploadDate, uploadedBy, result, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self.target.campaign, name or f"Loaded leads {self.now}",
                self.options.list_state, counts.supplied, counts.accepted, counts.scrubbed, self.now,
                self.target.user, result, message,
            ),
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    def _agent_ids(self) -> frozenset[int]:
        """Return the ids of the account's agents, including inactive ones (assumed)."""
        found = self.connection.execute(
            "SELECT agentId FROM agents WHERE accountId = ?", (self.target.account,)
        )
        return frozenset(row["agentId"] for row in found)

    def _find_blocked(self, leads: Sequence[NewLead]) -> BlockedNumbers:
        """Return the do-not-call entries that match the leads; empty if the campaign does not scrub."""
        if self.target.scrub not in _INTERNAL_SCRUB_OPTIONS:
            return BlockedNumbers(frozenset(), frozenset())
        return find_blocked(
            self.connection,
            self.target.account,
            self.options.dnc_tags,
            {digits for lead in leads for digits in lead.digits},
            {str(lead.values["externId"]) for lead in leads},
        )

    def _insert(
        self, leads: Sequence[NewLead], list_id: int, agents: frozenset[int], blocked: BlockedNumbers
    ) -> None:
        """Insert leads and their phone numbers: READY, zero passes, next call now."""
        common: dict[str, object] = {
            "accountId": self.target.account,
            "campaignId": self.target.campaign,
            "listId": list_id,
            "leadPasses": 0,
            "nextDialTime": self.now,
            "suppressed": False,
            "loadedDts": self.now,
            "stateDts": self.now,
            "dialPriority": self.options.dial_priority,
            "loadedWith": self.options.duplicates,
        }
        rows = []
        for lead in leads:
            values = {
                **common,
                **lead.values,
                "leadState": "DO-NOT-CALL" if _is_blocked(lead, blocked) else "READY",
                "pendingAgentId": _valid_agent(lead, agents),
            }
            if values["maxPasses"] is None:
                values["maxPasses"] = self.target.max_passes
            rows.append([values.get(name) for name in LEAD_COLUMNS])
        self.connection.executemany(_INSERT, rows)
        ids = self.connection.execute("SELECT leadId FROM leads WHERE listId = ? ORDER BY leadId", (list_id,))
        self.connection.executemany(
            "INSERT INTO lead_phones (digits, leadId) VALUES (?, ?)",
            [
                (digits, row["leadId"])
                for row, lead in zip(ids.fetchall(), leads, strict=True)
                for digits in sorted(lead.digits)
            ],
        )


def _is_blocked(lead: NewLead, blocked: BlockedNumbers) -> bool:
    """Return whether the external id or any phone number of a lead is on a do-not-call list (assumed)."""
    return not blocked.digits.isdisjoint(lead.digits) or lead.values["externId"] in blocked.extern_ids


def _requests_agent(lead: NewLead) -> bool:
    """Return whether a lead names an agent; null and blank mean none. Source: contract."""
    return lead.agent is not None and not (isinstance(lead.agent, str) and not lead.agent.strip())


def _valid_agent(lead: NewLead, agents: frozenset[int]) -> int | None:
    """Return the agent that a lead is reserved for; None if there is none."""
    try:
        agent = parse_integer(lead.agent)
    except ValueError:
        return None
    return agent if agent in agents else None


def _keep_all(load: Load, leads: Sequence[NewLead]) -> list[NewLead]:
    """RETAIN_ALL: keep all leads."""
    return list(leads)


def _first_of_batch(load: Load, leads: Sequence[NewLead]) -> list[NewLead]:
    """REMOVE_FROM_LIST: keep the first lead of each phone number in this load (assumed which one)."""
    return _without_taken(leads, set())


def _first_of_campaign(load: Load, leads: Sequence[NewLead]) -> list[NewLead]:
    """REMOVE_ALL_EXISTING: skip leads that the campaign already has from a load with the same option.

    Within this load, the first lead of each phone number is kept (assumed).
    """
    numbers = sorted({digits for lead in leads for digits in lead.digits})
    found = load.connection.execute(
        # CROSS JOIN fixes the join order: look up by phone number, independent of the campaign's size.
        "SELECT l.leadPhone FROM json_each(?) j CROSS JOIN lead_phones p ON p.digits = j.value"
        " CROSS JOIN leads l ON l.leadId = p.leadId"
        " WHERE l.campaignId = ? AND l.loadedWith = 'REMOVE_ALL_EXISTING'",
        (json.dumps(numbers), load.target.campaign),
    )
    return _without_taken(leads, {_phone_key(row["leadPhone"]) for row in found})


def _without_taken(leads: Iterable[NewLead], taken: set[str]) -> list[NewLead]:
    """Return the leads whose phone number is neither in ``taken`` nor in an earlier lead."""
    unique = []
    for lead in leads:
        key = _phone_key(str(lead.values["leadPhone"]))
        if key not in taken:
            taken.add(key)
            unique.append(lead)
    return unique


_WITHOUT_DUPLICATES: Mapping[str, Callable[[Load, Sequence[NewLead]], list[NewLead]]] = {
    "RETAIN_ALL": _keep_all,
    "REMOVE_FROM_LIST": _first_of_batch,
    "REMOVE_ALL_EXISTING": _first_of_campaign,
}


def _phone_key(lead_phone: str) -> str:
    """Return a format-independent key of a ``leadPhone`` (assumed)."""
    return "|".join(phone_digits(number) for number in lead_phone.split("|"))
