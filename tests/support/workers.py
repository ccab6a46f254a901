"""Functions that run in the worker processes of tests.

``python -m tests.support.workers SPEC`` imports all modules, then forks as many processes as the
specification says, so that they start together. Each writes its result to a file.
"""

from __future__ import annotations

import importlib
import json
import logging
import multiprocessing
import os
import sys
import time
import traceback
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import cryptography.fernet
import requests  # noqa: F401

from airflow_provider_engagevoice.ringcx.auth import token_cache
from airflow_provider_engagevoice.ringcx.client import RingCXClient
from airflow_provider_engagevoice.ringcx.exceptions import EngageVoiceError, RateLimited
from airflow_provider_engagevoice.ringcx.ratelimit import operations
from airflow_provider_engagevoice.ringcx.ratelimit.limiter import RateLimiter
from airflow_provider_engagevoice.ringcx.ratelimit.operations import RateLimit
from airflow_provider_engagevoice.ringcx.spec.rate_limits import LIMITS, RateWindow
from airflow_provider_engagevoice.ringcx.storage import file, registry
from airflow_provider_engagevoice.ringcx.transport import http
from tests.support import clients

RINGCX = "airflow_provider_engagevoice.ringcx"
#: The host's clocks, without the offsets of :func:`_shift_clocks`.
_real_monotonic = time.monotonic
_real_time = time.time


#: Makes the workers of a specification with ``"start_together"`` start at the same time.
_start: Barrier | None = None


def print_line(line: str) -> None:
    """Print a line for the test in a single write, since other processes print at the same time."""
    os.write(1, f"{line}\n".encode())


def make_client(spec: dict[str, Any]) -> RingCXClient:
    """Return a client as the hook makes it, for the sandbox at ``spec["url"]``."""
    authenticator = clients.make_authenticator(
        spec["url"], spec.get("method", "ringcentral"), **spec.get("changes", {})
    )
    authenticator.store = registry.open_store(spec.get("store", "host"))
    transport = http.HttpTransport("workers/1.0", (20.0, 20.0))
    transport.limiter = RateLimiter(authenticator.store, **spec.get("limiter", {}))
    return RingCXClient(spec["url"], authenticator, transport, clients.ACCOUNT)


def reserve_slots(spec: dict[str, Any]) -> list[float]:
    """Reserve slots without waiting for them; return their timestamps by the host's clock."""
    store = registry.open_store(spec.get("store", "host"))
    windows = [RateWindow(*window) for window in spec["windows"]]
    slots = []
    for _ in range(spec["count"]):
        wait = store.reserve_slot("key", windows, spec.get("margin", 0.5), 1e5)
        slots.append(_real_monotonic() + wait)
    return slots


def send_requests(spec: dict[str, Any]) -> list[float]:
    """Send rate-limited requests until the time is up; return the timestamps of the responses."""
    client = make_client(spec)
    if _start is not None:
        # Signed in already, so that no worker begins late because it waits for the token of another.
        client.authenticator.headers(client.transport)
        _start.wait(30.0)
    answered_at = []
    deadline = _real_monotonic() + spec.get("seconds", 30.0)
    while _real_monotonic() < deadline:
        try:
            client.request("POST", COUNT_PATH, {"count": "true"}, {"campaignIds": [1]}, retry_safe=True)
        except RateLimited:
            break
        answered_at.append(_real_monotonic())
        if len(answered_at) == spec.get("max_requests"):
            break
    return answered_at


COUNT_PATH = f"{clients.ROOT}/campaignLeads/leadSearch"


def read(spec: dict[str, Any]) -> str:
    """Send requests with pauses; return the error, or an empty string."""
    client = make_client(spec)
    print_line("started")
    try:
        for _ in range(spec.get("times", 1)):
            client.request("GET", clients.DIAL_GROUPS)
            time.sleep(spec.get("pause", 0.0))
    except EngageVoiceError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def wait_for_slot(spec: dict[str, Any]) -> None:
    """Wait for a slot that is ``spec["seconds"]`` away."""
    limiter = RateLimiter(registry.open_store(spec.get("store", "host")), margin=0.0)
    limit = RateLimit("key", "lead_count", (RateWindow(1, spec["seconds"]),))
    limiter.acquire(limit)
    print_line("waiting")
    limiter.acquire(limit)


def hold_slot_file(spec: dict[str, Any]) -> None:
    """Acquire the lock of the slot file, and do not release it."""
    store = file.FileStore()
    with store._open_file("slots", "key") as descriptor, file._locked(descriptor):
        print_line("locked")
        time.sleep(60)


def die_before_caching(spec: dict[str, Any]) -> None:
    """Get killed after the response to the sign-in, before the token is in the cache."""
    client = make_client(spec)

    def kill(cache: token_cache.TokenCache, token: object) -> None:
        os.kill(os.getpid(), 9)

    token_cache.TokenCache.set = kill  # type: ignore[method-assign,assignment]
    client.request("GET", clients.DIAL_GROUPS)


def _shift_clocks(seconds: float) -> None:
    """Move the clocks of this process forward, like those of another host."""

    class ShiftedTime:
        sleep = staticmethod(time.sleep)
        monotonic = staticmethod(lambda: _real_monotonic() + seconds)
        time = staticmethod(lambda: _real_time() + seconds)

    for name, module in sys.modules.items():
        for attribute in ("time", "clock"):
            if name.startswith(f"{RINGCX}.") and hasattr(module, attribute):
                setattr(module, attribute, ShiftedTime)


def _prepare(spec: dict[str, Any], number: int) -> None:
    for name, value in spec.get("patch", {}).items():
        module, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(f"{RINGCX}.{module}"), attribute, value)
    if "limits" in spec:
        changed = {
            name: tuple(RateWindow(*one) for one in windows) for name, windows in spec["limits"].items()
        }
        vars(operations)["LIMITS"] = {**LIMITS, **changed}
    if "clock_shifts" in spec:
        _shift_clocks(spec["clock_shifts"][number % len(spec["clock_shifts"])])


def _run(spec: dict[str, Any], number: int) -> None:
    out = Path(spec["out"], str(number))
    logging.basicConfig(filename=f"{out}.log", level=logging.INFO, format="%(message)s")
    try:
        _prepare(spec, number)
        result = {"result": globals()[spec["job"]](spec)}
    except BaseException:
        result = {"error": traceback.format_exc()}
    Path(f"{out}.json").write_text(json.dumps(result))


def main(spec: dict[str, Any]) -> None:
    cryptography.fernet.Fernet(cryptography.fernet.Fernet.generate_key())
    if spec["processes"] == 1:
        _run(spec, 0)
        return
    if "redis" in spec.get("store", ""):
        __import__("redis")
    if spec.get("start_together"):
        global _start
        _start = multiprocessing.get_context("fork").Barrier(spec["processes"])
    children = []
    for number in range(spec["processes"]):
        child = os.fork()
        if not child:
            _run(spec, number)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
