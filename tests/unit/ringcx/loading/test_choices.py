"""Loads keep their promises under each of the sandbox's choices about what RingCX does."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, OutcomeUnknown
from tests.support.bulk import FakeTaskStateStore, start_attempt
from tests.support.loading import Crm, counts, crm_row, crm_rows, read_report
from tests.unit.ringcx.loading.conftest import MakeCrm

VALID = crm_rows(7)
#: Valid rows, a repeated one, one that RingCX rejects, and one that is wrong.
ROWS = [*VALID, VALID[0], crm_row(20, maxPasses=10**17), crm_row(21, leadPhone="1")]

CHOICES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "unnamed lists": {"load_lists": "unnamed"},
    "default options": {"loader_defaults": True},
    "do-not-call inserted": {"dnc_scrubbed": "insert"},
    "visible after 10 s": {"visibility_delay": 10.0},
    "visible after 10 s, unnamed lists": {"visibility_delay": 10.0, "load_lists": "unnamed"},
    "pages from 1": {"page_base": 1},
    "short pages": {"row_cap": 2},
}
FAULTS: dict[str, dict[str, Any]] = {
    "none": {"kind": "slow", "delay": 0.0},
    "dropped after": {"kind": "drop", "when": "after"},
    "dropped before": {"kind": "drop", "when": "before"},
    "failed": {"kind": "load_failed", "when": "before"},
    "failed after": {"kind": "load_failed", "when": "after"},
}


def run_until_success(crm: Crm, **options: Any) -> Any:
    """Run a task and its retries, each with the checkpoint of the one before."""
    store = FakeTaskStateStore()
    for number in range(4):
        try:
            return crm.load(ROWS, checkpoints=start_attempt(store, is_retry=number > 0), **options)
        except EngageVoiceError:
            continue
    raise AssertionError("the load never succeeds")


@pytest.mark.assumption(35, 36, 41, 42)
@pytest.mark.parametrize("choice", CHOICES)
def test_each_row_is_loaded_once_and_counted_once(make_crm: MakeCrm, tmp_path: Path, choice: str) -> None:
    crm = make_crm(**CHOICES[choice])
    for number, (fault, chunk_size) in enumerate(itertools.product(FAULTS, (2, 500))):
        crm.server.reset()
        crm.server.fault(**FAULTS[fault], operation="direct_load", at=[1 + number % 2])
        report = tmp_path / f"{number}.csv"
        options = {"report": str(report)} if number % 3 else {}
        result = run_until_success(crm, chunk_size=chunk_size, on_rejected="ignore", **options)
        assert counts(result) == (7, 0, 1, 2, 0)
        assert crm.loaded == {row["externId"]: 1 for row in VALID}
        if options:
            loaded = [line for line in read_report(report) if line["outcome"] == "loaded"]
            assert {line["external_id"]: int(line["lead_id"]) for line in loaded} == {
                lead["externId"]: lead["leadId"] for lead in crm.leads
            }


@pytest.mark.parametrize("choice", CHOICES)
def test_rows_of_another_load_are_not_taken_for_those_of_this_one(make_crm: MakeCrm, choice: str) -> None:
    """The other load was an hour before, so that its leads are not those of a request without response."""
    crm = make_crm(**CHOICES[choice])
    crm.server.advance(-3600)
    crm.load(VALID, load_id="another", verify=False)
    crm.server.advance(3600)
    crm.server.fault("drop", operation="direct_load", when="before")
    store = FakeTaskStateStore()
    with pytest.raises(OutcomeUnknown):
        crm.load(VALID, checkpoints=start_attempt(store))
    result = crm.load(VALID, checkpoints=start_attempt(store, is_retry=True))
    assert counts(result) == (7, 0, 0, 0, 0)
    assert crm.loaded == {row["externId"]: 2 for row in VALID}
