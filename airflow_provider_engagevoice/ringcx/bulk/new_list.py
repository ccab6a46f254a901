"""The list that a move creates: all requests after the first one have to use it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from airflow_provider_engagevoice.ringcx.bulk.run_state import RunState
from airflow_provider_engagevoice.ringcx.concurrency import CancelToken
from airflow_provider_engagevoice.ringcx.exceptions import ServiceUnavailable
from airflow_provider_engagevoice.ringcx.leads.moves import NewListTracker, is_new_list

#: How often the list is looked for, and the pause in seconds between two look-ups.
_LOOKUPS = 4
_LOOKUP_PAUSE = 1.0


@dataclass(frozen=True)
class NewListUser:
    """Makes the requests of a move use the list that the first of them created.

    :param state: state of the run.
    :param tracker: finds the list; None if the action creates none.
    :param cancel_token: cancels the waits.
    """

    state: RunState
    tracker: NewListTracker | None
    cancel_token: CancelToken

    @property
    def is_missing(self) -> bool:
        """Whether the next request would create the list."""
        return self.tracker is not None and is_new_list(self.state.params)

    def find(self) -> None:
        """Look for the list after a request.

        :raises ServiceUnavailable: if leads were moved, but RingCX does not show the list.
        """
        state = self.state
        if not self.is_missing or not state.result["requests"]:
            return
        for lookup in range(_LOOKUPS):
            if self.use() or not (state.result["leads_updated"] and state.has_chunks_left):
                return
            if lookup + 1 < _LOOKUPS:
                self.cancel_token.sleep(_LOOKUP_PAUSE)
        # Each of the following requests would create another list.
        raise ServiceUnavailable(
            f"{state.action.name}: RingCX does not show the list that the first request made"
        )

    def use(self) -> bool:
        """Return whether the list exists; if so, the following requests use it."""
        state = self.state
        params = state.params if self.tracker is None else self.tracker.resolve(state.params)
        if is_new_list(params):
            return False
        state.checkpoint = replace(
            state.checkpoint, params={**state.checkpoint.params, "LIST_ID": params["LIST_ID"]}
        )
        return True
