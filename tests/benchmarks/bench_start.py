"""Benchmark of the sandbox's start-up, up to the first response."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from tests.benchmarks.harness import ACCOUNT_PATH, print_row, run_sandbox


def measure_startup(*arguments: str) -> float:
    """Start a sandbox, send one request and stop it; return the seconds up to the response."""
    start = time.perf_counter()
    with run_sandbox(*arguments) as client:
        client.request("GET", f"{ACCOUNT_PATH}/dialGroups")
        return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    print("Start-up to the first response")
    measure_startup("--size", "0")  # Warm-up: bytecode and the file system's cache.
    print_row("no leads", min(measure_startup("--size", "0") for _ in range(3)))
    print_row("10,000 leads", min(measure_startup("--size", "10000") for _ in range(3)), "goal 1 s")
    print_row("1,000,000 leads", measure_startup("--size", "1000000"), "goal 10 s")
    with tempfile.TemporaryDirectory() as folder:
        state = str(Path(folder) / "state.db")
        print_row(
            "1,000,000 leads in a new state file", measure_startup("--size", "1000000", "--state", state)
        )
        print_row("1,000,000 leads in an existing state file", measure_startup("--state", state))
        leads = Path(folder) / "leads.csv"
        with leads.open("w") as file:
            file.write("leadPhone,externId,firstName,campaignName\n")
            file.writelines(f"617555{n % 10_000:04d},A-{n},Ada,Campaign {n % 7}\n" for n in range(100_000))
        print_row("100,000 leads from a CSV file", measure_startup("--from-csv", str(leads)))


if __name__ == "__main__":
    main()
