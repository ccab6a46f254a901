"""Measures loads: throughput, memory and safety. ``python -m tests.benchmarks.load [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.load import memory, safety, throughput

_MEASUREMENTS: Mapping[str, Callable[[], str]] = {
    "throughput": throughput.measure_table,
    "memory": memory.measure_table,
    "safety": safety.measure_table,
}


def main(names: Sequence[str]) -> int:
    """Run measurements and print their tables; return the exit code.

    :param names: the measurements; empty for all.
    """
    unknown = [name for name in names if name not in _MEASUREMENTS]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}; known: {', '.join(_MEASUREMENTS)}", file=sys.stderr)
        return 2
    for name in names or _MEASUREMENTS:
        print(_MEASUREMENTS[name](), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
