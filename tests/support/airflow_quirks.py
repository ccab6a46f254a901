"""Behavior of Airflow versions that tests must work around."""

from __future__ import annotations

import re
from importlib.metadata import version

import pytest

_IS_3_0 = version("apache-airflow").startswith("3.0.")

none_in_xcom = pytest.mark.skipif(
    _IS_3_0, reason="Airflow 3.0: dag.test() cannot store None in an XCom (its API rejects it)"
)
reschedule_twice = pytest.mark.skipif(
    _IS_3_0, reason="Airflow 3.0: dag.test() fails if a sensor is rescheduled more than once"
)

needs_airflow_3 = pytest.mark.skipif(
    version("apache-airflow").startswith("2."), reason="Airflow 2 has no separate API server"
)

_SUPERVISOR_MESSAGE = re.compile(r"\[debug +\] (Sending request|Received message)")


def without_supervisor_messages(text: str) -> str:
    """Remove the messages between task and supervisor, which Airflow 3.0 prints whole in ``dag.test()``."""
    return "".join(line for line in text.splitlines(keepends=True) if not _SUPERVISOR_MESSAGE.search(line))
