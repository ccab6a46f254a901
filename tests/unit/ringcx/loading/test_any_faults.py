"""Whatever happens to the requests and the task: each valid row ends up in the campaign exactly once."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_engagevoice.ringcx.exceptions import OutcomeUnknown, TransientError
from airflow_provider_engagevoice.ringcx.loading.lead_load import LoadResult
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from tests.support.bulk import Killed
from tests.support.fixtures import PACED_MODULES, replace_clocks
from tests.support.loading import PREFIX, Crm, Row, counts
from tests.unit.ringcx.loading.test_resume import KillingStore, NoStore

FAULTS: dict[str, dict[str, Any]] = {
    "dropped": {"kind": "drop"},
    "503": {"kind": "status", "status": 503},
    "429": {"kind": "rate_limited", "retry_after": 1.0},
    "page": {"kind": "html"},
    "not a result": {"kind": "answer", "body": {}},
    "no counter": {"kind": "answer", "body": {"processingStatus": "DEFAULT_NOT_A_FAILURE"}},
    "failed": {"kind": "load_failed"},
    "400": {"kind": "status", "status": 400},
}
#: RingCX does not process a request that it answers with 429.
FAULT = st.tuples(st.sampled_from(sorted(FAULTS)), st.sampled_from(["before", "after"])).map(
    lambda fault: (fault[0], "before" if fault[0] == "429" else fault[1])
)

#: A key, and what is special about its row.
SOURCE = st.lists(
    st.tuples(
        st.integers(0, 14), st.sampled_from(["good", "good", "good", "repeated", "bad phone", "refused"])
    ),
    min_size=1,
    max_size=14,
)

_examples = itertools.count(1)


def build_rows(source: list[tuple[int, str]], example: int) -> tuple[list[Row], set[str]]:
    """Return rows, and the external ids that must be in the campaign at the end."""
    rows: list[Row] = []
    valid: dict[str, set[str]] = {}
    for number, kind in source:
        row: Row = {"externId": f"{PREFIX}{example}-{number}", "leadPhone": f"617555{number:04}"}
        if kind == "bad phone":
            row["leadPhone"] = "12"
        elif kind == "refused":
            row["maxPasses"] = 10**17
        rows += [row] * (2 if kind == "repeated" else 1)
        if kind != "bad phone":
            valid.setdefault(row["externId"], set()).add("refused" if kind == "refused" else "good")
    return rows, {key for key, kinds in valid.items() if kinds == {"good"}}


def check_counts(result: Any, rows: list[Row]) -> None:
    assert result is not None
    assert result["rows"] == len(rows)
    assert min(counts(result)) >= 0
    assert sum(counts(result)) <= len(rows)


@settings(max_examples=60, deadline=None)
@given(
    source=SOURCE,
    faults=st.dictionaries(st.integers(1, 9), FAULT, max_size=4),
    kills=st.lists(st.integers(1, 12), max_size=2),
    chunk_size=st.integers(1, 6),
    max_in_flight=st.integers(1, 3),
    existing=st.sampled_from(["load", "load", "skip", "update"]),
    with_checkpoint=st.booleans(),
)
def test_each_valid_row_is_loaded_once(
    bulk_server: SandboxServer,
    source: list[tuple[int, str]],
    faults: dict[int, tuple[str, str]],
    kills: list[int],
    chunk_size: int,
    max_in_flight: int,
    existing: str,
    with_checkpoint: bool,
) -> None:
    example = next(_examples)
    rows, valid = build_rows(source, example)
    with pytest.MonkeyPatch.context() as patch:
        clock = replace_clocks(patch, PACED_MODULES)
        crm = Crm(bulk_server, clock)
        bulk_server.clear_faults()
        for number, (name, when) in faults.items():
            bulk_server.fault(**FAULTS[name], operation="direct_load", when=when, at=[number])
        options: dict[str, Any] = {
            "chunk_size": chunk_size,
            "max_in_flight": max_in_flight,
            "existing": existing,
            "on_rejected": "ignore",
            "load_id": f"example {example}",
        }
        result = run_until_success(crm, rows, kills, with_checkpoint, options)
    bulk_server.clear_faults()
    assert sum(counts(result)) == len(rows)
    loaded = {key: n for key, n in crm.loaded.items() if key.startswith(f"{PREFIX}{example}-")}
    assert loaded == dict.fromkeys(loaded, 1)
    assert result["leads_inserted"] == len(loaded)
    assert (result["leads_updated"], result["leads_unknown"]) == (0, 0)
    refusals = sum(name in ("failed", "400") and when == "before" for name, when in faults.values())
    # A row that is refused alone, or with both halves of a request twice, is rejected although it is valid.
    assert set(loaded) <= valid if refusals else set(loaded) == valid


def run_until_success(
    crm: Crm, rows: list[Row], kills: list[int], with_checkpoint: bool, options: dict[str, Any]
) -> LoadResult:
    """Run attempts until one succeeds; check the counts of each that fails."""
    kept: dict[str, Any] = {}
    store = KillingStore if with_checkpoint else NoStore
    for number in range(30):
        kill_at = kills[number] if number < len(kills) else 0
        try:
            return crm.load(rows, checkpoints=store(kept, kill_at), **options)
        except Killed:
            continue
        except (OutcomeUnknown, TransientError) as error:
            check_counts(error.result, rows)
    raise AssertionError("the load never succeeds")
