"""What the package costs every parse of a DAG file that uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MOST_MODULES = 15
MOST_CPU_MS = 10.0
HEAVY = {
    "aiohttp",
    "requests",
    "httpx",
    "pandas",
    "pydantic",
    "jinja2",
    "starlette",
    "uvicorn",
    "airflow.models",
}

# Over Airflow's own base classes: what a DAG file with an operator, a sensor and a hook of anybody's loads.
MEASURE = """
import importlib, json, sys, time
try:
    from airflow.sdk import BaseOperator, BaseSensorOperator
except ImportError:
    from airflow.models import BaseOperator
    from airflow.sensors.base import BaseSensorOperator
try:
    from airflow.sdk import BaseHook
except ImportError:
    from airflow.hooks.base import BaseHook
import airflow.triggers.base
before = set(sys.modules)
started = time.process_time()
modules = "operators.leads sensors.campaigns hooks.engagevoice triggers.campaigns get_provider_info"
for name in modules.split():
    importlib.import_module("airflow_provider_engagevoice." + name)
cpu = (time.process_time() - started) * 1000
print("MEASURED " + json.dumps([cpu, sorted(set(sys.modules) - before)]))
"""


@pytest.fixture(scope="module")
def measured() -> tuple[float, list[str]]:
    """CPU milliseconds (the best of five processes, after one that leaves bytecode) and new modules."""
    path = os.pathsep.join(filter(None, sys.path))
    runs = [
        subprocess.run(
            [sys.executable, "-c", MEASURE],
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(6)
    ]
    results = [json.loads(run.split("MEASURED ", 1)[1]) for run in runs]
    return min(cpu for cpu, _ in results[1:]), results[0][1]


def test_parsing_costs_little(measured):
    cpu, modules = measured
    assert len(modules) <= MOST_MODULES, modules
    assert cpu <= MOST_CPU_MS


def test_parsing_loads_nothing_heavy(measured):
    assert HEAVY & set(measured[1]) == set()


def test_the_provider_info_loads_without_airflow():
    code = "import airflow_provider_engagevoice.get_provider_info, sys; sys.exit('airflow' in sys.modules)"
    path = os.pathsep.join(filter(None, sys.path))
    assert (
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}).returncode == 0
    )
