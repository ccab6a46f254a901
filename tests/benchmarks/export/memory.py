"""Peak memory of exports of ten thousand to a million leads, by format. No server takes part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

COUNTS = (10_000, 100_000, 1_000_000)
FORMATS = {"CSV": "leads.csv", "JSON lines, gzip": "leads.jsonl.gz", "Parquet": "leads.parquet"}

# Leads are in lists of 500, whose numbers begin with 1.
_CLIENT = """
import json, sys
from pathlib import Path
from airflow_provider_engagevoice.ringcx.export.exporter import LeadExport
from airflow_provider_engagevoice.ringcx.leads.selection import Selection
from airflow_provider_engagevoice.ringcx.spec.lead_fields import ROW_FIELDS
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport
from tests.support.clients import make_client

count, path = int(sys.argv[1]), sys.argv[2]
values = {"string": "Value of it", "int64": 5, "bool": False}
template = {name: values[kind] for name, kind in ROW_FIELDS.items()}

def row(number):
    ids = {"leadId": number, "externId": f"B-{number}", "campaignId": 1, "listId": number // 500 + 1}
    return {**template, **ids, "leadPhone": f"303{number:07d}"}

def respond(self, request, headers):
    if request.method == "GET":
        if request.url.endswith("/lists"):
            return [{"listId": n + 1, "listDescription": str(n)} for n in range(count // 500)]
        campaign = {"campaignId": 1, "campaignName": "Spring Renewals", "isActive": 1}
        return [{"dialGroupId": 1, "dialGroupName": "Group", "campaigns": [campaign]}]
    lists = request.json.get("listIds", range(1, count // 500 + 1))
    if request.params.get("count"):
        return len(lists) * 500
    start = int(request.params["page"]) * int(request.params["maxRows"])
    first = [(each - 1) * 500 + offset for each in lists for offset in range(500)]
    return [row(number) for number in first[start:start + int(request.params["maxRows"])]]

HttpTransport._attempt = respond
# This client has no limiter, with which it would last a quarter of an hour.
client = make_client("https://ringcx.example.com", "api_token")
result = client.lead_exporter().execute(LeadExport(Selection({"campaignIds": [1]}), path))
# Not ru_maxrss, which includes the peak of the process that has started this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([result["count"], int(peak.split()[1])]))
"""


def measure_table(counts: Sequence[int]) -> str:
    """Measure all formats; return a Markdown table with the conditions below it.

    :param counts: the numbers of leads.
    """
    rows = [
        f"| format | {' | '.join(f'{count:,} leads' for count in counts)} | most above least |",
        f"|---|{'---|' * len(counts)}---|",
    ]
    for title, name in FORMATS.items():
        peaks = [_measure(count, name) for count in counts]
        print(title, peaks, file=sys.stderr, flush=True)
        cells = [f"{peak:,.0f} MB" for peak in peaks]
        rows.append(f"| {title} | {' | '.join(cells)} | {peaks[-1] - peaks[0]:+.0f} MB |")
    return "\n".join(rows) + (
        "\n\nPeak resident memory of the process with its libraries, all fields, leads in lists of 500. "
        "RingCX is replaced by a function.\n"
    )


def _measure(count: int, name: str) -> float:
    """Return the peak memory of one export in MB."""
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, str(count), str(Path(folder) / name)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(done.stderr)
    exported, peak = json.loads(done.stdout.splitlines()[-1])
    if exported != count:
        raise RuntimeError(f"{exported:,} of {count:,} leads were exported")
    return float(peak) * 1024 / 1e6
