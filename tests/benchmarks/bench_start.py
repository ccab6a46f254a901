"""From starting the command to the first answered request."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from table import ROOT, sandbox, show


def ready(*arguments: str) -> float:
    """Start a sandbox, ask it one thing, and end it; return the seconds to the answer."""
    start = time.perf_counter()
    with sandbox(*arguments) as caller:
        caller.ask("GET", f"{ROOT}/dialGroups")
        return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    print("Ready to serve")
    ready("--size", "0")  # Python writes its bytecode, and the disk's cache is filled.
    show("no leads", min(ready("--size", "0") for _ in range(3)))
    show("10,000 leads", min(ready("--size", "10000") for _ in range(3)), "goal 1 s")
    show("1,000,000 leads", ready("--size", "1000000"), "goal 10 s")
    with tempfile.TemporaryDirectory() as folder:
        state = str(Path(folder) / "state.db")
        show("1,000,000 leads in a new state file", ready("--size", "1000000", "--state", state))
        show("1,000,000 leads in a state file that is there", ready("--state", state))
        leads = Path(folder) / "leads.csv"
        with leads.open("w") as file:
            file.write("leadPhone,externId,firstName,campaignName\n")
            file.writelines(f"617555{n % 10_000:04d},A-{n},Ada,Campaign {n % 7}\n" for n in range(100_000))
        show("100,000 leads of a CSV file", ready("--from-csv", str(leads)))


if __name__ == "__main__":
    main()
