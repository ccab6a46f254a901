"""CPU time, memory and disk of plans of ten thousand to a million leads. No server takes part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

COUNTS = (10_000, 100_000, 1_000_000)
GOALS = {"CPU time": 60.0, "memory": 100.0}
"""Most CPU time in seconds and most memory in MB for a million leads."""

# Leads are in lists of 500. The rows of the source are in the order of their external ids, the leads in
# another one. One of ten leads has an external id that is not in the source.
_CLIENT = """
import json, sys, time
from pathlib import Path
from airflow_provider_engagevoice.ringcx import LeadRows
from airflow_provider_engagevoice.ringcx.auth.schemes import ApiTokenAuth
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.loading.load_lists import SEPARATOR
from airflow_provider_engagevoice.ringcx.ratelimit import operations
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.spec.lead_fields import ROW_FIELDS
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, RateWindow
from airflow_provider_engagevoice.ringcx.sync.options import SyncOptions
from airflow_provider_engagevoice.ringcx.sync.owner import owner_id, sync_token
from airflow_provider_engagevoice.ringcx.transport.http import HttpTransport

count, source, path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
values = {"string": "Value of it", "int64": 5, "bool": False}
template = {name: values[kind] for name, kind in ROW_FIELDS.items()}
template |= {"leadState": "READY", "loadedDts": "2026-01-05T09:00:00.000+0000", "campaignId": 1}
varying = {"leadId": "%d", "listId": "%d", "externId": "%s", "leadPhone": "303%07d"}
for name in varying:
    del template[name]
text = json.dumps({**template, **varying}).replace('"%d"', "%d")
suffix = f"{SEPARATOR}{sync_token(owner_id('nightly'), 'AAAA-AAAA')}/"

def values_of(number):
    other = number * 7_919 % count
    key = f"003{other:012d}AAA" if other % 10 else f"00Q{other:012d}AAA"
    return number + 1, number // 500 + 1, key, other

def respond(request):
    if request.method == "GET":
        if request.url.endswith("/lists"):
            names = (f"CRM{suffix}{n}" for n in range(count // 500))
            lists = [{"listId": n + 1, "listDesc": name} for n, name in enumerate(names)]
            return json.dumps([{**each, "leadsAccepted": 500} for each in lists])
        campaign = {"campaignId": 1, "campaignName": "Spring Renewals", "isActive": 1}
        return json.dumps([{"dialGroupId": 1, "dialGroupName": "Group", "campaigns": [campaign]}])
    lists = request.json.get("listIds", range(1, count // 500 + 1))
    if request.params.get("count"):
        return str(len(lists) * 500)
    size = int(request.params["maxRows"])
    start = int(request.params["page"]) * size
    first = [(each - 1) * 500 + offset for each in lists for offset in range(500)]
    found = first[start:start + size]
    page = "[" + ",".join([text] * len(found)) + "]"
    return page % tuple(value for number in found for value in values_of(number))

# RingCX's limits, each in a twentieth of its time, and a latency of 300 ms as much shorter. Without them, as
# many responses as fit in flight would be in memory at any time.
HASTE = 20
operations.LIMITS = {
    name: tuple(RateWindow(each.max_requests, each.period / HASTE) for each in windows)
    for name, windows in LIMITS.items()
}
spent = {"ringcx": 0.0, "parsing": 0.0}

def attempt(self, request, headers):
    time.sleep(0.3 / HASTE)
    begin = time.thread_time()
    response = respond(request)
    sent = time.thread_time()
    result = json.loads(response)
    spent["ringcx"] += sent - begin
    spent["parsing"] += time.thread_time() - sent
    return result

HttpTransport._attempt = attempt
transport = HttpTransport("benchmark/1.0", limiter=RateLimiter(margin=0.5 / HASTE))
client = RingCXClient("https://ringcx.example.com", ApiTokenAuth("token"), transport, "50810001")
profile = None
if len(sys.argv) > 4:
    import cProfile
    profile = cProfile.Profile()
    profile.enable()
result = client.syncs().plan(
    "Spring Renewals", LeadRows(source=source), SyncOptions(on_surplus="suppress", compare=()), path,
    name="nightly", list_name="CRM",
)
if profile is not None:
    profile.disable()
    profile.dump_stats(sys.argv[4])
# Not ru_maxrss, which includes the peak of the process that has started this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
counts = {name: result["counts"][name] for name in ("load", "remove", "unchanged")}
print(json.dumps({**spent, "cpu": time.process_time(), "peak": int(peak.split()[1]) * 1024, **counts}))
"""


@dataclass(frozen=True)
class Cost:
    """Resources that a plan takes.

    :param seconds: CPU time without that of the function that stands in for RingCX, in seconds.
    :param parsing: part of it that parses responses.
    :param ringcx: CPU time of that function.
    :param memory: peak resident memory in MB.
    :param plan: size of ``plan.db`` in MB.
    :param disk: largest temporary use of the disk in MB.
    """

    seconds: float
    parsing: float
    ringcx: float
    memory: float
    plan: float
    disk: float


def measure_table(counts: Sequence[int]) -> str:
    """Measure all sizes; return a Markdown table with the conditions below it.

    :param counts: the numbers of leads, multiples of 5,000.
    """
    rows = [
        "| leads and rows | CPU time | of it parsing responses | memory | plan.db | temporary files |",
        "|---|---|---|---|---|---|",
    ]
    for count in counts:
        cost = measure(count)
        print(count, cost, file=sys.stderr, flush=True)
        cells = (
            f"{count:,}",
            f"{cost.seconds:.1f} s",
            f"{cost.parsing:.1f} s",
            f"{cost.memory:,.0f} MB",
            f"{cost.plan:,.1f} MB",
            f"{cost.disk:,.0f} MB",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + (
        "\n\nA CSV file of four columns against the leads of a campaign in lists of 500, in another order, "
        "with all fields; one of ten differs on each side. RingCX is replaced by a function that returns "
        "JSON, whose own CPU time is not counted, with RingCX's limits in a twentieth of their time and a "
        "latency of 300 ms as much shorter. Memory is the peak of the process with its libraries. "
        f"Goals for a million: {GOALS['CPU time']:g} s and {GOALS['memory']:g} MB.\n"
    )


def measure(count: int, profile: str | None = None) -> Cost:
    """Plan once in a separate process.

    :param count: number of leads and of rows.
    :param profile: file for the profile of the main thread; None to make none.
    """
    with tempfile.TemporaryDirectory(prefix="engagevoice-bench-") as name:
        folder = Path(name)
        source, plan, temporary = folder / "leads.csv", folder / "plan", folder / "temporary"
        temporary.mkdir()
        _write_source(source, count)
        process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT, str(count), str(source), str(plan), *filter(None, [profile])],
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "TMPDIR": str(temporary),
                "SQLITE_TMPDIR": str(temporary),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        disk = 0
        while process.poll() is None:
            disk = max(disk, _disk_use(process.pid, temporary))
            time.sleep(0.1)
        output = process.communicate()[0]
        if process.returncode:
            raise RuntimeError(f"The plan failed: {output}")
        found = json.loads(output.splitlines()[-1])
        expected = {"load": count // 10, "remove": count // 10, "unchanged": count - count // 10}
        if expected.items() - found.items():
            raise RuntimeError(f"{found} is not {expected}")
        return Cost(
            seconds=found["cpu"] - found["ringcx"],
            parsing=found["parsing"],
            ringcx=found["ringcx"],
            memory=found["peak"] / 1e6,
            plan=(plan / "plan.db").stat().st_size / 1e6,
            disk=disk / 1e6,
        )


def _write_source(path: Path, count: int) -> None:
    with path.open("w") as file:
        file.write("externId,leadPhone,firstName,city\n")
        file.writelines(f"003{n:012d}AAA,303{n:07d},Ada,Denver\n" for n in range(count))


def _disk_use(process_id: int, folder: Path) -> int:
    """Return the bytes of a process's temporary files on the disk, with those that have no name."""
    total = 0
    try:
        links = list(Path(f"/proc/{process_id}/fd").iterdir())
    except OSError:
        return total
    for link in links:
        try:
            target, status = str(link.readlink()), link.stat()
        except OSError:
            continue
        if target.startswith(str(folder)):
            total += status.st_blocks * 512
    return total
