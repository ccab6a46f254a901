"""Kill a worker of a real Airflow in the middle of a bulk action, and look at the leads afterwards."""

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

from airflow_cluster.airflow import HEARTBEAT_TIMEOUT, Cluster, check_needs, cluster
from airflow_cluster.leads import passes, times_done, write_sources
from airflow_cluster.processes import ProgramEnded
from airflow_cluster.services import Missing

from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.request_log import RecordedRequest

DAG_ID, TASK_ID = "engagevoice_bulk", "act"
_UNKNOWN = re.compile(r"broken off in request (\d+) of (\d+)")


def main() -> int:
    """Run it all; return the exit code."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    signal.signal(signal.SIGHUP, _interrupted)
    try:
        check_needs()
        with tempfile.TemporaryDirectory(prefix="engagevoice-cluster-leads-") as folder:
            return _Show(options, Path(folder)).run()
    except Missing as missing:
        print(missing, file=sys.stderr)
    except KeyboardInterrupt:
        print("\nInterrupted; all that was started has been stopped.", file=sys.stderr)
        return 130
    except (ProgramEnded, TimeoutError, RuntimeError) as error:
        print(f"\n{error}\nAll that was started has been stopped.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make cluster", description=__doc__)
    parser.add_argument("--tasks", type=int, default=6, help="mapped tasks (default: %(default)s)")
    parser.add_argument("--ids", type=int, default=3000, help="external ids of a task (default: %(default)s)")
    parser.add_argument("--chunk-size", type=int, default=100, help="ids in a request (default: %(default)s)")
    parser.add_argument("--no-kill", action="store_true", help="let both workers live")
    return parser


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@dataclasses.dataclass
class _Show:
    """One run of the cluster, told as it goes."""

    options: argparse.Namespace
    folder: Path
    sandbox: SandboxServer = dataclasses.field(init=False)
    cluster: Cluster = dataclasses.field(init=False)
    requests: int = dataclasses.field(init=False)
    _begun: float = dataclasses.field(default_factory=time.monotonic)
    _told: tuple[object, ...] = ()
    _told_at: float = 0.0

    def run(self) -> int:
        """Start all, run the DAG, kill a worker, check the leads; return the exit code."""
        state = self.folder / "ringcx.db"
        number = self.options.tasks * self.options.ids
        settings = Settings(size=number * 2 + 2000, limits="documented", latency=0.05)
        with SandboxServer(settings, database=str(state)):
            pass  # Made first, and read then: the file is locked while it is served.
        before = passes(state)
        with SandboxServer(settings, database=str(state)) as self.sandbox:
            ids = sorted(before)[:number]
            if len(ids) < number:
                raise RuntimeError(f"The sandbox has {len(ids)} leads for {number} ids")
            sources = self.folder / "sources"
            sources.mkdir()
            write_sources(sources, ids, self.options.tasks)
            self.requests = -(-self.options.ids // self.options.chunk_size) * self.options.tasks
            self.say(
                f"RingCX sandbox at {self.sandbox.url}, with the documented limits; {number:,} ids in "
                f"{self.options.tasks} files, for {self.requests} requests"
            )
            variables = {"BULK_SOURCES": str(sources), "BULK_CHUNK_SIZE": str(self.options.chunk_size)}
            with cluster(self.sandbox.connection, variables, say=self.say) as self.cluster:
                left_out = self._run_dag(self.cluster)
                self.say("Stopping the cluster")
        return self._check(ids, before, passes(state), left_out)

    def say(self, text: str) -> None:
        """Print a line with the seconds since the start."""
        print(f"{time.monotonic() - self._begun:6.1f} s  {text}", flush=True)

    def _actions(self) -> list[RecordedRequest]:
        return [request for request in self.sandbox.requests if request.operation == "lead_action"]

    def _watch(self, states: Counter[str]) -> None:
        """Tell how far the run is, and kill a worker when a third of the requests is done."""
        done = sum(request.status == 200 for request in self._actions())
        told = (*sorted(states.items()),)
        if told != self._told or time.monotonic() - self._told_at > 10:
            self._told, self._told_at = told, time.monotonic()
            shown = ", ".join(f"{count} {state}" for state, count in told)
            self.say(f"{done} of {self.requests} requests done; tasks: {shown}")
        if not self.options.no_kill and not self.cluster.dead and done >= self.requests // 3:
            victim = self.cluster.workers[0]
            killed = self.cluster.kill(victim)
            self.say(
                f"KILLED {victim.name} with SIGKILL: {killed} processes. Airflow misses its tasks after "
                f"{HEARTBEAT_TIMEOUT} s (default: 300)"
            )

    def _run_dag(self, cluster: Cluster) -> list[tuple[int, int]]:
        """Run the DAG; clear what failed, as a person would; return the requests that were left out."""
        run_id = cluster.run(DAG_ID, self._watch)
        left_out: list[tuple[int, int]] = []
        failed = [task for task in cluster.tasks(DAG_ID, run_id) if task["state"] == "failed"]
        for task in failed:
            index, attempt = task["map_index"], task["try_number"]
            log = cluster.log_of(DAG_ID, run_id, TASK_ID, index, attempt)
            found = _UNKNOWN.search(log)
            if not found:
                raise RuntimeError(f"Task {index} failed, and not for the kill:\n{log[-3000:]}")
            left_out.append((index, int(found[1]) - 1))
            self.say(
                f"Task {index} was killed in request {found[1]} of {found[2]}: it does not send that again, "
                "and failed once to say so"
            )
        if failed:
            self.say(f"Clearing {len(failed)} failed tasks, as a person does who has looked at these leads")
            cluster.clear_failed(DAG_ID, run_id)
            cluster.wait(DAG_ID, run_id, self._watch)
        for task in cluster.tasks(DAG_ID, run_id):
            tries = f", try {task['try_number']}" if task["try_number"] > 1 else ""
            self.say(f"  task {task['map_index']}: {task['state']}{tries}")
            if task["state"] != "success":
                raise RuntimeError("Not all tasks ended well")
        return left_out

    def _check(
        self,
        ids: Sequence[str],
        before: dict[str, int],
        after: dict[str, int],
        left_out: Sequence[tuple[int, int]],
    ) -> int:
        """Compare the leads with what should be; return the exit code."""
        told = {one for task, request in left_out for one in self._ids_of(ids, task, request)}
        counts = times_done([one for one in ids if one not in told], before, after)
        unknown = times_done(sorted(told), before, after)
        others = sum(after[one] != before[one] for one in before.keys() - set(ids))
        statuses = Counter(request.status for request in self.sandbox.requests)
        sign_ins = sum(request.operation == "token_exchange" for request in self.sandbox.requests)
        seconds = self._seconds()
        checks = {
            f"{len(ids) - len(told):,} ids were to be done: {counts[1]:,} done once": set(counts) == {1},
            f"{len(told):,} ids are in {len(left_out)} requests that the tasks called unknown: "
            f"{unknown[1]:,} done once, {unknown[0]:,} left to the person": set(unknown) <= {0, 1},
            f"{others} other leads were touched": not others,
            f"{statuses[429]} requests were refused with 429": not statuses[429],
            f"{sign_ins} sign-ins": sign_ins <= 3,
        }
        print(
            f"\n{len(self._actions())} actions in {seconds:.0f} s, {sum(statuses.values())} requests in all"
        )
        for text, good in checks.items():
            print(f"  {'ok   ' if good else 'WRONG'}  {text}")
        return 0 if all(checks.values()) else 1

    def _ids_of(self, ids: Sequence[str], task: int, request: int) -> Sequence[str]:
        size, chunk = self.options.ids, self.options.chunk_size
        return ids[task * size : (task + 1) * size][request * chunk : (request + 1) * chunk]

    def _seconds(self) -> float:
        times = [request.time for request in self._actions()]
        return max(times) - min(times) if times else 0.0


if __name__ == "__main__":
    sys.exit(main())
