"""Ways to act on the ids of a file: ours, and those one would try without this package.

``python ways.py WAY SOURCE`` loads everything, says ``ready``, and begins when it reads a line.
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

ACTION = "MANUAL_LEADS"
PARAMS = {
    "PASS_DISPOSITION": "Sale",
    "REQUEUE": False,
    "DO_NOT_CALL": False,
    "PASS_DELAY": 0,
    "MERGE_ORIGINAL": False,
}
CHUNK = 500
RETRIES, RETRY_DELAY = 2, 30.0
FAILED = "failed: "


def main() -> None:
    """Go one way."""
    way, source = sys.argv[1:]
    steps = _WAYS[way](Path(source), json.loads(os.environ["AIRFLOW_CONN_ENGAGEVOICE_DEFAULT"]))
    next(steps)
    print("ready", flush=True)
    sys.stdin.readline()
    for failure in steps:
        print(f"{FAILED}{failure}", flush=True)


def _with_hook(source: Path, connection: dict[str, Any]) -> Iterator[str]:
    """The hook of this package, on a list of any length."""
    import cryptography.fernet  # noqa: F401
    import requests  # noqa: F401

    from airflow_provider_engagevoice.hooks.engagevoice import EngageVoiceHook

    hook = EngageVoiceHook()
    hook.get_conn()
    yield ""
    hook.perform_lead_action(ACTION, action_params=PARAMS, source=source, chunk_size=CHUNK)


def _with_official_client(source: Path, connection: dict[str, Any]) -> Iterator[str]:
    """RingCentral's own client in a loop."""
    # On import it reads a file "version" of the current folder.
    from ringcentral_engage_voice.engage_voice_client import RingCentralEngageVoice

    url = connection["host"]
    client = RingCentralEngageVoice(connection["login"], connection["password"], server=url, rcServer=url)
    yield ""
    client.authorize(jwt=connection["extra"]["jwt_token"])
    for body in _bodies(source):
        try:
            client.put(_path(connection), json=body, params={"leadAction": ACTION})
        except Exception as error:
            # It has no class of its own for it.
            yield str(error).split("\n")[0]
            return


def _with_http_operator(source: Path, connection: dict[str, Any]) -> Iterator[str]:
    """Airflow's HttpOperator for each chunk, as its mapped tasks would run one after the other in a slot."""
    from airflow.providers.http.operators.http import HttpOperator

    host, _, port = connection["host"].removeprefix("http://").partition(":")
    # The permanent token: there is no way to sign in with the operator alone.
    os.environ["AIRFLOW_CONN_RINGCX"] = json.dumps(
        {"conn_type": "http", "host": host, "port": int(port), "schema": "http"}
    )
    headers = {"X-Auth-Token": "sandbox-token", "Content-Type": "application/json"}
    yield ""
    waiting = [(0.0, 0, body) for body in _bodies(source)]
    while waiting:
        due, tries, body = waiting.pop(0)
        time.sleep(max(0.0, due - time.monotonic()))
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
            if tries < RETRIES:
                waiting.append((time.monotonic() + RETRY_DELAY, tries + 1, body))
            else:
                yield str(error).split("\n")[0]


def _bodies(source: Path) -> Iterator[dict[str, Any]]:
    ids = iter(source.read_text().split())
    while chunk := list(itertools.islice(ids, CHUNK)):
        yield {"campaignLeadSearchCriteria": {"externIds": chunk}, "leadActionParams": {"paramMap": PARAMS}}


def _path(connection: dict[str, Any]) -> str:
    return f"/api/v1/admin/accounts/{connection['extra']['account_id']}/campaignLeads/actions"


_WAYS = {"hook": _with_hook, "official": _with_official_client, "http": _with_http_operator}


if __name__ == "__main__":
    main()
