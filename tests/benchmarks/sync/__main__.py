"""Measures syncs; without names all of it. ``python -m tests.benchmarks.sync [--short] [NAME ...]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping

from tests.benchmarks.harness import run_measurements
from tests.benchmarks.sync import accidents, applying, planning

_MEASUREMENTS: Mapping[str, Callable[[bool], str]] = {
    "planning": lambda short: planning.measure_table(planning.COUNTS[:1] if short else planning.COUNTS),
    "applying": lambda short: applying.measure_table(
        {"load": 4_000, "remove": 2_000} if short else applying.CHANGES
    ),
    "accidents": lambda short: accidents.measure_table(),
}


if __name__ == "__main__":
    # Airflow writes logs to standard output, which the tables are for.
    logging.getLogger("airflow_provider_engagevoice").setLevel(logging.ERROR)
    sys.exit(run_measurements(_MEASUREMENTS, sys.argv[1:]))
