"""PostgreSQL server for tests."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.cluster.services import MissingRequirement, find_postgres_programs, start_postgres
from tests.system.cluster.supervisor import Supervisor


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server; skip the test if none is installed.

    :return: its URL.
    """
    pytest.importorskip("psycopg2")
    try:
        programs = find_postgres_programs()
    except MissingRequirement as error:
        pytest.skip(str(error))
    folder = Path(tempfile.mkdtemp(prefix="engagevoice-postgres-"))
    try:
        # PostgreSQL may run as another user, who needs access to its folder inside this one.
        folder.chmod(0o711)
        data, logs = folder / "postgres", folder / "logs"
        for subfolder in (data, logs):
            subfolder.mkdir(mode=0o700)
        with Supervisor(logs) as supervisor:
            yield f"postgresql://{start_postgres(programs, supervisor, data)}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
