"""Measures exports: throughput and memory. ``python -m tests.benchmarks.export [--short] [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from tests.benchmarks.export import memory, throughput
from tests.benchmarks.harness import run_measurements

_MEASUREMENTS: Mapping[str, Callable[[bool], str]] = {
    "throughput": lambda short: throughput.measure_table(20_000 if short else throughput.ROWS),
    "memory": lambda short: memory.measure_table(memory.COUNTS[:1] if short else memory.COUNTS),
}


if __name__ == "__main__":
    sys.exit(run_measurements(_MEASUREMENTS, sys.argv[1:]))
