"""Clients compared by the benchmark: this package's hook, RingCentral's client and Airflow's HttpOperator.

``python compared_clients.py CLIENT SOURCE`` applies an action to the ids of a file. It imports all modules,
prints ``ready`` and starts once it has read a line from standard input.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ACTION = os.environ.get("BULK_ACTION", "MANUAL_LEADS")
PARAMS: dict[str, Any] = {
    "PAUSE_LEADS": {},
    "MANUAL_LEADS": {
        "PASS_DISPOSITION": "Sale",
        "REQUEUE": False,
        "DO_NOT_CALL": False,
        "PASS_DELAY": 0,
        "MERGE_ORIGINAL": False,
    },
}[ACTION]
CHUNK_SIZE = int(os.environ.get("BULK_CHUNK_SIZE", "500"))
RETRIES, RETRY_DELAY = 2, 30.0
FAILURE_PREFIX = "failed: "


def main() -> None:
    """Run one client; print its failures."""
    client, source = sys.argv[1:]
    failures = _CLIENTS[client](Path(source), json.loads(os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"]))
    next(failures)
    print("ready", flush=True)
    sys.stdin.readline()
    for failure in failures:
        print(f"{FAILURE_PREFIX}{failure}", flush=True)


# Each client is a generator: it yields once when it is ready to start, then each failure.


def _run_hook(source: Path, connection: dict[str, Any]) -> Iterator[str]:
    """Apply the action with this package's hook, in one call."""
    import cryptography.fernet  # noqa: F401
    import requests  # noqa: F401

    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    hook = EngageVoiceHook()
    hook.get_conn()
    yield ""
    hook.perform_lead_action(ACTION, action_params=PARAMS, source=source, chunk_size=CHUNK_SIZE)


def _run_official_client(source: Path, connection: dict[str, Any]) -> Iterator[str]:
    """Apply the action with RingCentral's client, in a loop over chunks, up to the first error."""
    # The import reads a file named "version" from the current folder.
    from ringcentral_engage_voice.engage_voice_client import RingCentralEngageVoice

    url = connection["host"]
    client = RingCentralEngageVoice(connection["login"], connection["password"], server=url, rcServer=url)
    yield ""
    client.authorize(jwt=connection["extra"]["jwt_token"])
    for body in _request_bodies(source):
        try:
            client.put(_path(connection), json=body, params={"leadAction": ACTION})
        except Exception as error:
            # The client raises plain Exception.
            yield str(error).split("\n")[0]
            return


def _run_http_operator(source: Path, connection: dict[str, Any]) -> Iterator[str]:
    """Apply the action with one HttpOperator per chunk, retried as Airflow retries mapped tasks."""
    from airflow.providers.http.operators.http import HttpOperator

    host, _, port = connection["host"].removeprefix("http://").partition(":")
    # Uses the permanent API token, since the operator cannot sign in.
    os.environ["AIRFLOW_CONN_RINGCX"] = json.dumps(
        {"conn_type": "http", "host": host, "port": int(port), "schema": "http"}
    )
    headers = {"X-Auth-Token": "sandbox-token", "Content-Type": "application/json"}
    yield ""
    pending = [(0.0, 0, body) for body in _request_bodies(source)]
    while pending:
        start_at, retries, body = pending.pop(0)
        time.sleep(max(0.0, start_at - time.monotonic()))
        operator = HttpOperator(
            task_id="act",
            http_conn_id="ringcx",
            method="PUT",
            endpoint=f"voice{_path(connection)}?leadAction={ACTION}",
            headers=headers,
            data=json.dumps(body),
            log_response=False,
        )
        try:
            operator.execute({})
        except Exception as error:
            if retries < RETRIES:
                pending.append((time.monotonic() + RETRY_DELAY, retries + 1, body))
            else:
                yield str(error).split("\n")[0]


def _request_bodies(source: Path) -> Iterator[dict[str, Any]]:
    ids = iter(source.read_text().split())
    while chunk := list(itertools.islice(ids, CHUNK_SIZE)):
        yield {"campaignLeadSearchCriteria": {"externIds": chunk}, "leadActionParams": {"paramMap": PARAMS}}


def _path(connection: dict[str, Any]) -> str:
    return f"/api/v1/admin/accounts/{connection['extra']['account_id']}/campaignLeads/actions"


_CLIENTS = {"hook": _run_hook, "official": _run_official_client, "http": _run_http_operator}


if __name__ == "__main__":
    main()
