"""Safety of loads under faults: leads lost and leads loaded twice, side by side with a plain loop."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings

ROWS, CHUNK_SIZE = 10_000, 100
#: A run that has not ended by then counts as it is.
MAX_ATTEMPTS = 60

#: The same for both: about one request in eight has no usable response, half of them after RingCX has loaded
#: the leads.
FAULTS = (
    {"kind": "drop", "when": "after", "chance": 0.03, "seed": 1},
    {"kind": "drop", "when": "before", "chance": 0.03, "seed": 2},
    {"kind": "status", "status": 503, "when": "after", "chance": 0.02, "seed": 3},
    {"kind": "status", "status": 503, "when": "before", "chance": 0.02, "seed": 4},
    {"kind": "html", "when": "before", "chance": 0.01, "seed": 5},
    {"kind": "load_failed", "when": "before", "chance": 0.02, "seed": 6},
)

#: What programs do: three attempts for each batch, and a batch counts as loaded if the status is 200.
_LOOP = """
import csv, os, sys
import requests
url, source, stop_after = sys.argv[1], sys.argv[2], int(sys.argv[3])
path = "/voice/api/v1/admin/accounts/50810001/campaigns/{}/leadLoader/direct"
rows = list(csv.DictReader(open(source)))
for number, start in enumerate(range(0, len(rows), SIZE)):
    if number == stop_after:
        os._exit(9)
    body = {
        "description": "Loop", "dialPriority": "NORMAL", "duplicateHandling": "RETAIN_ALL",
        "timeZoneOption": "NPA_NXX", "listState": "ACTIVE", "uploadLeads": rows[start:start + SIZE],
    }
    for _ in range(3):
        try:
            headers = {"X-Auth-Token": "sandbox-token"}
            response = requests.post(url + path.format(CAMPAIGN), json=body, headers=headers, timeout=5)
            response.raise_for_status()
            break
        except requests.RequestException:
            pass
"""

_LOADER = """
import os, sys
from airflow_provider_engagevoice.ringcx import LeadRows, LoadOptions
from airflow_provider_engagevoice.ringcx.loading import load_reconciler
from airflow_provider_engagevoice.ringcx.loading.load_request import LoadSender
from tests.support.clients import make_client
url, source, stop_after = sys.argv[1], sys.argv[2], int(sys.argv[3])
# The sandbox shows leads at once.
load_reconciler.WAITS = (0.1, 0.1)
send, sent = LoadSender.send, []
def count(self, *args):
    sent.append(1)
    if len(sent) == stop_after:
        os._exit(9)
    return send(self, *args)
LoadSender.send = count
rows, options = LeadRows(source=source), LoadOptions(chunk_size=SIZE)
make_client(url).load_leads("Spring Renewals", rows, options, list_name="Safety", load_id="run")
"""


@dataclass(frozen=True)
class Outcome:
    """Result of one program.

    :param lost: rows without a lead.
    :param doubled: rows with several leads.
    :param attempts: number of times that the program was started.
    """

    lost: int
    doubled: int
    attempts: int


def measure_table() -> str:
    """Run both programs; return a Markdown table with the conditions below it."""
    rows = ["| program | leads lost | leads loaded twice | attempts |", "|---|---|---|---|"]
    for title, code in (("plain loop, three attempts for each batch", _LOOP), ("this package", _LOADER)):
        for kind, is_killed in (("", False), (", killed once in the middle", True)):
            found = _run(code, is_killed)
            print(title, kind, found, file=sys.stderr, flush=True)
            rows.append(f"| {title}{kind} | {found.lost:,} | {found.doubled:,} | {found.attempts} |")
    return "\n".join(rows) + (
        f"\n\n{ROWS:,} rows in requests of {CHUNK_SIZE}, against the same faults: "
        f"{', '.join(_describe(fault) for fault in FAULTS)}. Each program is started again "
        "until it ends without an error, as Airflow or a person would.\n"
    )


def _describe(fault: dict[str, object]) -> str:
    name = fault.get("status", fault["kind"])
    return f"{fault['chance']:.0%} {name} {fault['when']} the leads are loaded"


def _run(code: str, is_killed: bool) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as folder:
        source = Path(folder) / "leads.csv"
        lines = (f"S-{n},303{n:07d}\n" for n in range(ROWS))
        source.write_text("externId,leadPhone\n" + "".join(lines))
        with SandboxServer(Settings(size=100, limits="off")) as sandbox:
            campaign = sandbox.campaign("Spring Renewals")["campaignId"]
            for fault in FAULTS:
                sandbox.fault(operation="direct_load", **fault)  # type: ignore[arg-type]
            code = code.replace("SIZE", str(CHUNK_SIZE)).replace("CAMPAIGN", str(campaign))
            attempts = _start_until_done(code, [sandbox.url, str(source)], is_killed)
            loaded = Counter(str(lead["externId"]) for lead in sandbox.leads("Spring Renewals"))
    counts = [loaded[f"S-{n}"] for n in range(ROWS)]
    return Outcome(sum(not n for n in counts), sum(n > 1 for n in counts), attempts)


def _start_until_done(code: str, arguments: list[str], is_killed: bool) -> int:
    """Start a program until it ends without an error, the first time only up to its half if it is killed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    for attempt in range(1, MAX_ATTEMPTS + 1):
        stop_after = ROWS // CHUNK_SIZE // 2 if attempt == 1 and is_killed else -1
        command = [sys.executable, "-c", code, *arguments, str(stop_after)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if not done.returncode:
            return attempt
    raise RuntimeError(done.stderr[-2000:])
