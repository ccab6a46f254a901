"""Verification of a load: whether the campaign has the leads that RingCX reported as inserted."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from itertools import chain

from airflow_provider_engagevoice.ringcx.bulk.pipeline import Pipeline
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import LoadedTwice, VerificationFailed, counted
from airflow_provider_engagevoice.ringcx.loading.load_reconciler import WAITS, LoadReconciler
from airflow_provider_engagevoice.ringcx.loading.load_state import LoadState
from airflow_provider_engagevoice.ringcx.loading.lookup import select_leads
from airflow_provider_engagevoice.ringcx.loading.rows import Outcome
from airflow_provider_engagevoice.ringcx.steps import Steps, run

log = logging.getLogger(__name__)

_LISTS_IN_REQUEST = 500
#: Most searches in flight: more than RingCX's limit of searches needs at a latency of four seconds.
_SEARCHES_IN_FLIGHT = 8


@dataclass(frozen=True)
class LoadVerifier:
    """Verifies a load whose requests all have an outcome.

    :param state: state of the load.
    :param reconciler: finds leads of the load.
    :param cancel_token: cancels the verification.
    """

    state: LoadState
    reconciler: LoadReconciler
    cancel_token: CancelToken

    def run(self) -> None:
        """Compare RingCX's leads with the counts of the load.

        With a report, each row is looked up, which yields the id of its lead. Otherwise the leads in the
        lists of the load are counted. If RingCX shows no list of the load, each row is looked up.

        :raises VerificationFailed: if leads are missing after the last wait.
        """
        expected = self.state.ledger.total(Outcome.LOADED)
        if not expected:
            return
        has_report = self.state.load.input.report is not None
        count = (
            self._count_by_row if has_report or not self.reconciler.lists.by_part else self._count_in_lists
        )
        found = count()
        for wait in WAITS:
            if found >= expected:
                return
            self.cancel_token.sleep(wait)
            found = count()
        if found < expected:
            raise VerificationFailed(
                f"Check the lists {self.reconciler.lists.list_name!r} in RingCX: it reported "
                f"{counted(expected, 'lead')} as inserted and shows {found:,} of them. Others may have been "
                "moved or deleted since, or are not visible yet; running the task again looks again"
            )

    def check_loaded_twice(self) -> None:
        """Raise if leads of this load are in the campaign twice.

        :raises LoadedTwice: if RingCX processed a request late, after the rows were sent a second time.
        """
        twice, names = Counter(self.state.ledger.loaded_twice), list[str]()
        for number, list_ids in self.reconciler.lists.by_chunk().items():
            if len(list_ids) < 2:
                continue
            keys = {each: self._keys_in_list(each) for each in list_ids}
            repeated = {key for key, count in Counter(chain(*keys.values())).items() if count > 1}
            twice[number] = max(twice[number], len(repeated))
            names += [str(each) for each in list_ids if keys[each] & repeated]
        total = sum(twice.values())
        if total:
            lists = f" ({', '.join(names)})" if names else ""
            twice_loaded = f"{counted(total, 'lead')} of list {self.reconciler.lists.list_name!r}"
            raise LoadedTwice(
                f"Delete the list whose leads are all in the other one{lists}: RingCX processed a request "
                f"late, and {twice_loaded} may be in the campaign twice"
            )

    def _keys_in_list(self, list_id: int) -> set[str]:
        return run(self.reconciler.lookup.keys_in_list(list_id), self.cancel_token.sleep)

    def _count_in_lists(self) -> int:
        total = 0

        def count(list_ids: list[int]) -> Steps[None]:
            nonlocal total
            total += yield from self.reconciler.lookup.count_in_lists(list_ids)

        ids = sorted(self.reconciler.lists.list_ids)
        parts = [ids[start : start + _LISTS_IN_REQUEST] for start in range(0, len(ids), _LISTS_IN_REQUEST)]
        Pipeline(self.cancel_token, 1, _SEARCHES_IN_FLIGHT).run(map(count, parts))
        return total

    def _count_by_row(self) -> int:
        """Look up all loaded rows and keep the ids of their leads; return how many are found."""
        total = 0
        spool, size = self.state.spool, self.state.load.options.chunk_size

        def look_up(number: int) -> Steps[None]:
            nonlocal total
            rows = spool.read_loaded(number, size)
            found = yield from self.reconciler.lookup.find(row.key for row in rows)
            ours = select_leads(found, self.reconciler.is_loaded_here)
            loaded = [row for row in rows if row.key in ours]
            spool.set_outcome(loaded, Outcome.LOADED, lead_ids=[ours[row.key][0].lead_id for row in loaded])
            total += len(loaded)

        Pipeline(self.cancel_token, 1, _SEARCHES_IN_FLIGHT).run(map(look_up, range(self.state.chunk_count)))
        return total
