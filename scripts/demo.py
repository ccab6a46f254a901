"""Show the Lead Actions guide's flow: real Airflow, a RingCX of this machine, before and after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

ROOT = Path(__file__).resolve().parent.parent
DAG_FILE = ROOT / "example_dags" / "move_and_email.py"


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="engagevoice-demo-") as home, SandboxServer() as sandbox:
        before = _leads_per_campaign(sandbox)
        print(f"RingCX sandbox at {sandbox.url}: {sum(before.values()):,} leads in {len(before)} campaigns.")
        print(f"Airflow is running {DAG_FILE.relative_to(ROOT)} (10 to 20 seconds) ...", flush=True)
        started = time.monotonic()
        outcome = _run_dag(Path(home), sandbox)
        if outcome is None:
            return 1
        seconds = time.monotonic() - started
        print(f"\nAirflow {outcome['airflow']}: DAG run {outcome['state']} after {seconds:.0f} s")
        for task in outcome["tasks"]:
            print(f"  {task['task_id']:<14}{task['state']}")
        _print_changes(before, _leads_per_campaign(sandbox))
        _print_outbox(sandbox)
        _print_requests(sandbox)
    print("\nNext: read and change example_dags/move_and_email.py, and run `make demo` again;")
    print(f"or run {_shown(Path(sys.executable).with_name('engagevoice-sandbox'))} and give your own Airflow")
    print("the connection that it prints.")
    return 0 if outcome["state"] == "success" else 1


def _shown(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _run_dag(home: Path, sandbox: SandboxServer) -> dict | None:
    result, log = home / "result.json", home / "airflow.log"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(sandbox.connection),
    }
    command = [sys.executable, str(ROOT / "scripts" / "run_dag.py"), str(DAG_FILE), str(result)]
    with log.open("w") as output:
        ended = subprocess.run(command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False)
    if ended.returncode or not result.exists():
        print(log.read_text())
        print(f"Airflow ended with {ended.returncode}; its output is above.", file=sys.stderr)
        return None
    return json.loads(result.read_text())


def _leads_per_campaign(sandbox: SandboxServer) -> Counter[str]:
    return Counter(f"{lead['campaignName']} ({lead['campaignId']})" for lead in sandbox.leads())


def _print_changes(before: Counter[str], after: Counter[str]) -> None:
    changed = [name for name in sorted(before | after) if before[name] != after[name]]
    print(f"\n{'Leads per campaign':<34}{'before':>8}{'after':>8}{'change':>9}")
    for name in changed:
        print(f"  {name:<32}{before[name]:>8,}{after[name]:>8,}{after[name] - before[name]:>+9,}")
    rest = len(before) - len(changed)
    print(f"  {f'{rest} other campaigns':<32}{_rest(before, changed):>8,}{_rest(after, changed):>8,}")


def _rest(leads: Counter[str], without: list[str]) -> int:
    return sum(count for name, count in leads.items() if name not in without)


def _print_outbox(sandbox: SandboxServer) -> None:
    print("\nMail in RingCX's outbox")
    for mail in sandbox.outbox:
        print(f"  to {', '.join(mail['to'])}: a list of {mail['leads']:,} leads")


def _print_requests(sandbox: SandboxServer) -> None:
    sign_ins = sum(request.path.endswith("/rc/accesstoken") for request in sandbox.requests)
    actions = sum(request.path.endswith("/campaignLeads/actions") for request in sandbox.requests)
    print(
        f"\nIt took {len(sandbox.requests)} requests, among them {sign_ins} sign-in, {actions} lead actions."
    )


if __name__ == "__main__":
    sys.exit(main())
