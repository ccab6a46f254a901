"""Kill a worker of a real Airflow cluster during a bulk action, then check every lead."""

from __future__ import annotations

import argparse
import dataclasses
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest
from tests.system.cluster.airflow_cluster import (
    HEARTBEAT_TIMEOUT,
    Cluster,
    check_requirements,
    start_cluster,
)
from tests.system.cluster.lead_passes import count_added_passes, read_passes, write_id_files
from tests.system.cluster.services import MissingRequirement
from tests.system.cluster.supervisor import ProgramExited

DAG_ID, TASK_ID = "engagevoice_bulk", "act"
_INTERRUPTED_CHUNK = re.compile(r"interrupted in chunk (\d+) of (\d+)")


def main() -> int:
    """Run the system test; return the exit code."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _raise_keyboard_interrupt)
    signal.signal(signal.SIGHUP, _raise_keyboard_interrupt)
    try:
        check_requirements()
        with tempfile.TemporaryDirectory(prefix="engagevoice-cluster-leads-") as folder:
            return _KillWorkerTest(options, Path(folder)).run()
    except MissingRequirement as missing:
        print(missing, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted; all programs have been stopped.", file=sys.stderr)
        return 130
    except (ProgramExited, TimeoutError, RuntimeError) as error:
        print(f"\n{error}\nAll programs have been stopped.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--tasks", type=int, default=6, help="number of mapped tasks (default: %(default)s)")
    parser.add_argument("--ids", type=int, default=3000, help="external ids per task (default: %(default)s)")
    parser.add_argument("--chunk-size", type=int, default=100, help="ids per request (default: %(default)s)")
    parser.add_argument("--no-kill", action="store_true", help="kill no worker")
    return parser


def _raise_keyboard_interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@dataclasses.dataclass
class _KillWorkerTest:
    """One run of the DAG on a cluster with a worker killed, and the checks of its leads."""

    options: argparse.Namespace
    folder: Path
    sandbox: SandboxServer = dataclasses.field(init=False)
    cluster: Cluster = dataclasses.field(init=False)
    expected_requests: int = dataclasses.field(init=False)
    _started: float = dataclasses.field(default_factory=time.monotonic)
    _logged_states: tuple[object, ...] = ()
    _logged_at: float = 0.0

    def run(self) -> int:
        """Start the cluster, run the DAG, kill a worker, check the leads; return the exit code."""
        state_file = self.folder / "ringcx.db"
        id_count = self.options.tasks * self.options.ids
        settings = Settings(size=id_count * 2 + 2000, limits="documented", latency=0.05)
        with SandboxServer(settings, database=str(state_file)):
            pass  # Creates the state file, which is locked while a sandbox serves it.
        before = read_passes(state_file)
        with SandboxServer(settings, database=str(state_file)) as self.sandbox:
            ids = sorted(before)[:id_count]
            if len(ids) < id_count:
                raise RuntimeError(f"The sandbox has {len(ids)} leads; {id_count} are needed")
            sources = self.folder / "sources"
            sources.mkdir()
            write_id_files(sources, ids, self.options.tasks)
            self.expected_requests = -(-self.options.ids // self.options.chunk_size) * self.options.tasks
            self.log(
                f"RingCX sandbox at {self.sandbox.url}, with the documented limits; {id_count:,} ids in "
                f"{self.options.tasks} files, for {self.expected_requests} requests"
            )
            variables = {"BULK_SOURCES": str(sources), "BULK_CHUNK_SIZE": str(self.options.chunk_size)}
            with start_cluster(self.sandbox.connection, variables, log=self.log) as self.cluster:
                skipped = self._run_dag(self.cluster)
                self.log("Stopping the cluster")
        return self._check(ids, before, read_passes(state_file), skipped)

    def log(self, message: str) -> None:
        """Print a message with the seconds since the start."""
        print(f"{time.monotonic() - self._started:6.1f} s  {message}", flush=True)

    def _actions(self) -> list[RecordedRequest]:
        return [request for request in self.sandbox.requests if request.operation == "lead_action"]

    def _on_poll(self, states: Counter[str]) -> None:
        """Log the progress, and kill a worker once a third of the requests have succeeded."""
        done = sum(request.status == 200 for request in self._actions())
        current = (*sorted(states.items()),)
        if current != self._logged_states or time.monotonic() - self._logged_at > 10:
            self._logged_states, self._logged_at = current, time.monotonic()
            tasks = ", ".join(f"{count} {state}" for state, count in current)
            self.log(f"{done} of {self.expected_requests} requests done; tasks: {tasks}")
        if not self.options.no_kill and not self.cluster.killed and done >= self.expected_requests // 3:
            worker = self.cluster.workers[0]
            count = self.cluster.kill(worker)
            self.log(
                f"KILLED {worker.name} with SIGKILL: {count} processes. Airflow detects its lost tasks after "
                f"{HEARTBEAT_TIMEOUT} s (default: 300)"
            )

    def _run_dag(self, cluster: Cluster) -> list[tuple[int, int]]:
        """Run the DAG, and clear the failed tasks as a user would.

        :return: the chunks that were skipped because their outcome is unknown: index of the task and of the
            chunk, from 0.
        :raises RuntimeError: if a task failed for another reason, or failed again after it was cleared.
        """
        run_id = cluster.run_dag(DAG_ID, self._on_poll)
        skipped: list[tuple[int, int]] = []
        failed = [task for task in cluster.task_instances(DAG_ID, run_id) if task["state"] == "failed"]
        for task in failed:
            index, attempt = task["map_index"], task["try_number"]
            log = cluster.read_task_log(DAG_ID, run_id, TASK_ID, index, attempt)
            found = _INTERRUPTED_CHUNK.search(log)
            if not found:
                raise RuntimeError(f"Task {index} failed for another reason than the kill:\n{log[-3000:]}")
            skipped.append((index, int(found[1]) - 1))
            self.log(
                f"Task {index} was killed during request {found[1]} of {found[2]}: the outcome is unknown, "
                "so the retry did not repeat the request and failed once"
            )
        if failed:
            self.log(f"Clearing failed tasks, as a user does after checking these leads: {len(failed)}")
            cluster.clear_failed_tasks(DAG_ID, run_id)
            cluster.wait_for_run(DAG_ID, run_id, self._on_poll)
        for task in cluster.task_instances(DAG_ID, run_id):
            attempt_note = f", attempt {task['try_number']}" if task["try_number"] > 1 else ""
            self.log(f"  task {task['map_index']}: {task['state']}{attempt_note}")
            if task["state"] != "success":
                raise RuntimeError(f"Task {task['map_index']} ended in state {task['state']}, not success")
        return skipped

    def _check(
        self,
        ids: Sequence[str],
        before: dict[str, int],
        after: dict[str, int],
        skipped: Sequence[tuple[int, int]],
    ) -> int:
        """Compare the leads with the expected passes; return the exit code."""
        unknown_ids = {one for task, chunk in skipped for one in self._ids_of_chunk(ids, task, chunk)}
        known = count_added_passes([one for one in ids if one not in unknown_ids], before, after)
        unknown = count_added_passes(sorted(unknown_ids), before, after)
        others = sum(after[one] != before[one] for one in before.keys() - set(ids))
        statuses = Counter(request.status for request in self.sandbox.requests)
        sign_ins = sum(request.operation == "token_exchange" for request in self.sandbox.requests)
        seconds = self._seconds()
        checks = {
            f"{len(ids) - len(unknown_ids):,} ids with a known outcome: "
            f"{known[1]:,} applied exactly once": set(known) == {1},
            f"{len(unknown_ids):,} ids in {len(skipped)} requests with an unknown outcome: "
            f"{unknown[1]:,} applied once, {unknown[0]:,} not applied": set(unknown) <= {0, 1},
            f"{others} other leads changed": not others,
            f"{statuses[429]} requests rejected with 429": not statuses[429],
            f"{sign_ins} sign-ins": sign_ins <= 3,
        }
        print(
            f"\n{len(self._actions())} actions in {seconds:.0f} s, {sum(statuses.values())} requests in total"
        )
        for text, passed in checks.items():
            print(f"  {'ok   ' if passed else 'WRONG'}  {text}")
        return 0 if all(checks.values()) else 1

    def _ids_of_chunk(self, ids: Sequence[str], task: int, chunk: int) -> Sequence[str]:
        task_size, chunk_size = self.options.ids, self.options.chunk_size
        task_ids = ids[task * task_size : (task + 1) * task_size]
        return task_ids[chunk * chunk_size : (chunk + 1) * chunk_size]

    def _seconds(self) -> float:
        times = [request.time for request in self._actions()]
        return max(times) - min(times) if times else 0.0


if __name__ == "__main__":
    sys.exit(main())
