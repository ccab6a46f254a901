"""Tracks which leads of the sandbox a DAG run changed."""

from __future__ import annotations

import pytest

both_modes = pytest.mark.parametrize("native", [False, True], ids=["plain", "native"])
"""Run a test with templates rendered as text and as native Python objects."""


class LeadTracker:
    """The leads before a run, and which of them have changed since.

    Every task of a run gets separate leads, so that the changed leads show which tasks changed them.
    """

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.campaign = sandbox.campaign("Spring Renewals")["campaignId"]
        self.before = {lead["leadId"]: lead for lead in sandbox.leads()}
        ready = [lead for lead in sandbox.leads(self.campaign) if lead["leadState"] == "READY"]
        self._unused = iter(ready)

    def take(self, count):
        """Return external ids of leads that no task has yet."""
        return [next(self._unused)["externId"] for _ in range(count)]

    def changed(self):
        """Return external ids of the leads that changed."""
        now = {lead["leadId"]: lead for lead in self.sandbox.leads()}
        assert now.keys() == self.before.keys()
        return sorted(now[key]["externId"] for key in now if now[key] != self.before[key])
