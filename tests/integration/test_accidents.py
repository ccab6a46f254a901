"""Accidents of nightly syncs: no lead is removed that should stay, no person is called twice or missed."""

from __future__ import annotations

import pytest

from tests.benchmarks.sync.accidents import ACCIDENTS, Accident


@pytest.mark.parametrize("accident", ACCIDENTS, ids=lambda accident: accident.title)
def test_accident_does_no_harm(accident: Accident) -> None:
    harm = accident.measure("package")
    assert (harm.removed, harm.twice, harm.missed) == (0, 0, 0)
