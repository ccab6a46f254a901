"""Gives each test process an Airflow of its own.

What is set here must be set before Airflow is imported anywhere: Airflow reads its
environment once, on import. Hence the top-level code.
"""

import atexit
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.tokens import Family

ROOT_VARIABLE = "ENGAGEVOICE_TESTS_ROOT"


def _remove(root: str, owner: int) -> None:
    if os.getpid() == owner:  # and not a child that a test forked
        shutil.rmtree(root, ignore_errors=True)


def _prepare_environment() -> Path:
    # Neither a connection nor a setting from outside may decide how a test ends, and
    # tests talk to this machine only, so that no proxy stands between.
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    for name in list(os.environ):
        if name.startswith(("AIRFLOW_", "_AIRFLOW_")) or name.lower() in proxies:
            del os.environ[name]

    # One folder for the whole run: pytest-xdist's workers inherit its name. Whoever made it removes it.
    if ROOT_VARIABLE not in os.environ:
        root = tempfile.mkdtemp(prefix="engagevoice-tests-")
        os.environ[ROOT_VARIABLE] = root
        atexit.register(_remove, root, os.getpid())

    home = Path(os.environ[ROOT_VARIABLE], os.environ.get("PYTEST_XDIST_WORKER", "main"))
    dags = home / "dags"
    dags.mkdir(parents=True, exist_ok=True)
    os.environ["AIRFLOW_HOME"] = str(home)
    os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(dags)
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
    # Children of a test write bytecode as well: Airflow starts twice as fast with it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return home


AIRFLOW_HOME = _prepare_environment()

pytest_plugins = ["tests.support.fixtures"]

# The same examples on every run, so that a failure is the change's and not chance's.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
# More of them, and new ones each time: pytest --hypothesis-profile=search
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def shared_folder(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder where tasks share limits and tokens: one for each test, and none of the host's own."""
    from airflow_provider_engagevoice.ringcx.storage import file

    folder = airflow_home / f"shared-{next(_NUMBERS)}"
    monkeypatch.setenv(file.FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.storage.registry._open", {})
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.refresh._TOKEN_SLOTS", {})
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The AIRFLOW_HOME of this test process; its `dags` folder is Airflow's DAGS_FOLDER."""
    return AIRFLOW_HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """An Airflow database (SQLite) of this test process, migrated once."""
    from airflow.utils.db import initdb

    initdb()
    return airflow_home / "airflow.db"


@pytest.fixture
def ringcx_settings() -> Settings:
    """What the sandbox is like where a folder does not say otherwise: small, and strict."""
    return Settings(size=3000, strict_reservation=True)


@pytest.fixture
def issued_tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every token that a sandbox gives out from now on."""
    known: list[str] = []
    original = Family.issue

    def issue(family: Family) -> str:
        known.append(original(family))
        return known[-1]

    monkeypatch.setattr(Family, "issue", issue)
    return known


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Give all that tasks have logged so far: Airflow 3 logs to stdout, Airflow 2 by logging."""
    # Airflow's migration of the database leaves the root logger at WARNING.
    caplog.set_level("INFO")
    seen: list[str] = []

    def text() -> str:
        seen.extend(capfd.readouterr())
        return "".join(seen) + caplog.text

    return text
