"""Measures loads: throughput, memory and safety. ``python -m tests.benchmarks.load [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.benchmarks.harness import run_measurements
from tests.benchmarks.load import memory, safety, throughput

_MEASUREMENTS: Mapping[str, Callable[[bool], str]] = {
    "throughput": lambda short: throughput.measure_table(),
    "memory": lambda short: memory.measure_table(),
    "safety": lambda short: safety.measure_table(),
}


if __name__ == "__main__":
    sys.exit(run_measurements(_MEASUREMENTS, sys.argv[1:]))
