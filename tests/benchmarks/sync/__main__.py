"""Measures syncs; without names all of it. ``python -m tests.benchmarks.sync [--short] [NAME ...]``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence

from tests.benchmarks.sync import accidents, applying, planning

_MEASUREMENTS: Mapping[str, Callable[[bool], str]] = {
    "planning": lambda short: planning.measure_table(planning.COUNTS[:1] if short else planning.COUNTS),
    "applying": lambda short: applying.measure_table(
        {"load": 4_000, "remove": 2_000} if short else applying.CHANGES
    ),
    "accidents": lambda short: accidents.measure_table(),
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
    # Airflow writes logs to standard output, which the tables are for.
    logging.getLogger("airflow_provider_engagevoice").setLevel(logging.ERROR)
    for name in names or _MEASUREMENTS:
        print(_MEASUREMENTS[name]("--short" in arguments), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
