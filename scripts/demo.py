"""Demo: run the Lead Actions guide's workflow in real Airflow against the sandbox, and show the changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer

ROOT = Path(__file__).resolve().parent.parent
DAG_FILE = ROOT / "example_dags" / "move_and_email.py"


def main() -> int:
    """Run the demo; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="engagevoice-demo-") as home, SandboxServer() as sandbox:
        before = _leads_per_campaign(sandbox)
        print(f"RingCX sandbox at {sandbox.url}: {sum(before.values()):,} leads in {len(before)} campaigns.")
        print(f"Airflow is running {DAG_FILE.relative_to(ROOT)} (10 to 20 seconds) ...", flush=True)
        started = time.monotonic()
        result = _run_dag(Path(home), sandbox)
        if result is None:
            return 1
        seconds = time.monotonic() - started
        print(f"\nAirflow {result['airflow']}: DAG run {result['state']} after {seconds:.0f} s")
        for task in result["tasks"]:
            print(f"  {task['task_id']:<14}{task['state']}")
        _print_changes(before, _leads_per_campaign(sandbox))
        _print_outbox(sandbox)
        _print_requests(sandbox)
    print("\nNext: change example_dags/move_and_email.py and run `make demo` again; or run")
    print(
        f"{_relative_to_root(Path(sys.executable).with_name('engagevoice-sandbox'))} and add the connection"
    )
    print("that it prints to your own Airflow.")
    return 0 if result["state"] == "success" else 1


def _relative_to_root(path: Path) -> Path:
    return path.relative_to(ROOT) if path.is_relative_to(ROOT) else path


def _run_dag(home: Path, sandbox: SandboxServer) -> dict[str, Any] | None:
    """Run the example DAG; return its result as written by ``run_dag.py``, or None if Airflow failed."""
    result_file, log = home / "result.json", home / "airflow.log"
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW_CONN_ENGAGEVOICE_DEFAULT": json.dumps(sandbox.connection),
    }
    command = [sys.executable, str(ROOT / "scripts" / "run_dag.py"), str(DAG_FILE), str(result_file)]
    with log.open("w") as output:
        completed = subprocess.run(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if completed.returncode or not result_file.exists():
        print(log.read_text())
        print(f"Airflow failed with exit code {completed.returncode}; its output is above.", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(result_file.read_text())
    return result


def _leads_per_campaign(sandbox: SandboxServer) -> Counter[str]:
    return Counter(f"{lead['campaignName']} ({lead['campaignId']})" for lead in sandbox.leads())


def _print_changes(before: Counter[str], after: Counter[str]) -> None:
    changed = [name for name in sorted(before | after) if before[name] != after[name]]
    print(f"\n{'Leads per campaign':<34}{'before':>8}{'after':>8}{'change':>9}")
    for name in changed:
        print(f"  {name:<32}{before[name]:>8,}{after[name]:>8,}{after[name] - before[name]:>+9,}")
    others = f"{len(before) - len(changed)} other campaigns"
    print(f"  {others:<32}{_total_without(changed, before):>8,}{_total_without(changed, after):>8,}")


def _total_without(excluded: list[str], leads: Counter[str]) -> int:
    return sum(count for name, count in leads.items() if name not in excluded)


def _print_outbox(sandbox: SandboxServer) -> None:
    print("\nMail in RingCX's outbox")
    for mail in sandbox.outbox:
        print(f"  to {', '.join(mail['to'])}: a list of {mail['leads']:,} leads")


def _print_requests(sandbox: SandboxServer) -> None:
    sign_ins = sum(request.path.endswith("/rc/accesstoken") for request in sandbox.requests)
    actions = sum(request.path.endswith("/campaignLeads/actions") for request in sandbox.requests)
    print(f"\nRequests: {len(sandbox.requests)} in total, {sign_ins} sign-in, {actions} lead actions")


if __name__ == "__main__":
    sys.exit(main())
