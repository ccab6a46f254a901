"""What the processes of these tests do.

``python -m tests.support.workers SPEC`` loads all modules, then forks as many processes as the
specification says, so that they begin together. Each leaves its result in a file.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
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
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage import file, registry
from airflow_provider_engagevoice.ringcx.transport import http
from tests.support import clients

RINGCX = "airflow_provider_engagevoice.ringcx"
#: The moment that all processes of a host agree on, whatever a test does to the clocks below.
_real_monotonic = time.monotonic
_real_time = time.time


def say(word: str) -> None:
    """Tell the test how far this process is, in one write: others speak at the same time."""
    os.write(1, f"{word}\n".encode())


def make_client(spec: dict[str, Any]) -> RingCXClient:
    sign_in = clients.make_authenticator(
        spec["url"], spec.get("method", "ringcentral"), **spec.get("changes", {})
    )
    sign_in.store = registry.open_store(spec.get("store", "host"))
    transport = http.HttpTransport("workers/1.0", (20.0, 20.0))
    transport.limiter = RateLimiter(sign_in.store, **spec.get("limiter", {}))
    return RingCXClient(spec["url"], sign_in, transport, clients.ACCOUNT)


def book(spec: dict[str, Any]) -> list[float]:
    """Book moments as fast as it goes, and give them as all processes see them."""
    store = registry.open_store(spec.get("store", "host"))
    windows = [RateWindow(*window) for window in spec["windows"]]
    moments = []
    for _ in range(spec["count"]):
        wait = store.reserve_slot("key", windows, spec.get("pad", 0.5), 1e5)
        moments.append(_real_monotonic() + wait)
    return moments


def go_on(spec: dict[str, Any]) -> list[float]:
    """Send requests until the time is up, each at its moment; give the moments of the answers."""
    client = make_client(spec)
    answered = []
    ends = _real_monotonic() + spec.get("seconds", 30.0)
    while _real_monotonic() < ends:
        try:
            client.request("POST", COUNT, {"count": "true"}, {"campaignIds": [1]}, retry_safe=True)
        except RateLimited:
            break
        answered.append(_real_monotonic())
        if len(answered) == spec.get("most"):
            break
    return answered


COUNT = f"{clients.ROOT}/campaignLeads/leadSearch"


def read(spec: dict[str, Any]) -> str:
    """Send some requests, now and then; give what went wrong, or nothing."""
    client = make_client(spec)
    say("begun")
    try:
        for _ in range(spec.get("times", 1)):
            client.request("GET", clients.DIAL_GROUPS)
            time.sleep(spec.get("pause", 0.0))
    except EngageVoiceError as error:
        return f"{type(error).__name__}: {error}"
    return ""


def wait(spec: dict[str, Any]) -> None:
    """Wait for a moment that is far away."""
    limiter = RateLimiter(registry.open_store(spec.get("store", "host")), pad=0.0)
    limit = RateLimit("key", "lead_count", (RateWindow(1, spec["seconds"]),))
    limiter.wait(limit)
    say("waiting")
    limiter.wait(limit)


def hold(spec: dict[str, Any]) -> None:
    """Take the lock of the slot file, and keep it."""
    store = file.FileStore()
    with store._open("slots", "key") as descriptor, file._locked(descriptor):
        say("held")
        time.sleep(60)


def save_and_die(spec: dict[str, Any]) -> None:
    """Be killed after RingCX's answer to the sign-in, before anybody else could know of it."""
    client = make_client(spec)

    def save(kept: token_cache.TokenCache, token: object) -> None:
        os.kill(os.getpid(), 9)

    token_cache.TokenCache.save = save  # type: ignore[method-assign,assignment]
    client.request("GET", clients.DIAL_GROUPS)


def _set_clock(seconds: float) -> None:
    """Let this process think that it is later; for a host whose clocks differ."""

    class Clocks:
        sleep = staticmethod(time.sleep)
        monotonic = staticmethod(lambda: _real_monotonic() + seconds)
        time = staticmethod(lambda: _real_time() + seconds)

    for name, module in sys.modules.items():
        if name.startswith(f"{RINGCX}.") and hasattr(module, "time"):
            module.time = Clocks  # type: ignore[attr-defined]


def _prepare(spec: dict[str, Any], number: int) -> None:
    for name, value in spec.get("patch", {}).items():
        module, _, attribute = name.rpartition(".")
        setattr(importlib.import_module(f"{RINGCX}.{module}"), attribute, value)
    if "limits" in spec:
        made = {name: tuple(RateWindow(*one) for one in windows) for name, windows in spec["limits"].items()}
        operations.LIMITS = {**operations.LIMITS, **made}
    if "clocks" in spec:
        _set_clock(spec["clocks"][number % len(spec["clocks"])])


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
