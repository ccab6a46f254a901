"""Measures exports: throughput and memory. ``python -m tests.benchmarks.export [--short] [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.export import memory, throughput

_MEASUREMENTS: Mapping[str, Callable[[bool], str]] = {
    "throughput": lambda short: throughput.measure_table(20_000 if short else throughput.ROWS),
    "memory": lambda short: memory.measure_table(memory.COUNTS[:1] if short else memory.COUNTS),
}


def main(arguments: Sequence[str]) -> int:
    """Run measurements and print their tables; return the exit code.

    :param arguments: names of the measurements, none for all; ``--short`` for few leads, to try the code.
    """
    names = [each for each in arguments if each != "--short"]
    unknown = [name for name in names if name not in _MEASUREMENTS]
    if unknown:
        print(f"Unknown: {', '.join(unknown)}; known: {', '.join(_MEASUREMENTS)}", file=sys.stderr)
        return 2
    for name in names or _MEASUREMENTS:
        print(_MEASUREMENTS[name]("--short" in arguments), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
