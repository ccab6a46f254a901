"""Spooled ids: deduplication and bounded memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys


def test_spooled_ids_million_ids_stay_in_bounded_memory() -> None:
    """Ids go from a generator to chunks as sent, in a process whose peak memory is measured."""
    code = """
import json, resource
from airflow_provider_engagevoice.ringcx.leads.selection import build_selection
from airflow_provider_engagevoice.ringcx.bulk import executor
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
list(build_selection({"externIds": ["x"] * 10}).chunks(500))
before, sent = peak(), 0
selection = build_selection({"externIds": (f"CRM-{n % 1_000_000:09}" for n in range(1_000_500))})
for chunk in selection.chunks(500):
    sent += len(json.loads(json.dumps(chunk.body))["externIds"])
print(json.dumps([sent, len(selection.chunks(500)), peak() - before]))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=90,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    sent, chunks, kibibytes = json.loads(run.stdout.splitlines()[-1])
    assert (sent, chunks) == (1_000_000, 2000)
    # A list of the ids takes 80 MiB.
    assert kibibytes < 48 * 1024
