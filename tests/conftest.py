"""Configuration of the test process: a separate AIRFLOW_HOME, hypothesis profiles and fixtures.

Airflow reads its environment once, on import. Therefore the environment is prepared at the top level of
this module, before Airflow is imported.
"""

import atexit
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.tokens import TokenFamily
from tests.support.airflow_quirks import without_supervisor_messages

ROOT_VARIABLE = "ENGAGEVOICE_TESTS_ROOT"


def _remove(root: str, owner: int) -> None:
    if os.getpid() == owner:  # not a child process that a test forked
        shutil.rmtree(root, ignore_errors=True)


def _prepare_environment() -> Path:
    # Connections and settings of the caller must not affect the tests. Tests connect to this machine
    # only, so no proxy is used.
    proxies = {"http_proxy", "https_proxy", "all_proxy"}
    for name in list(os.environ):
        if name.startswith(("AIRFLOW_", "_AIRFLOW_")) or name.lower() in proxies:
            del os.environ[name]

    # One folder for the whole run: pytest-xdist's workers inherit its name. The process that created the
    # folder removes it.
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
    if version("apache-airflow").startswith("3.0."):
        # It wraps errors in its log at the width of the terminal.
        os.environ["COLUMNS"] = "1000"
    # Let subprocesses of tests write bytecode: Airflow starts twice as fast with it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return home


AIRFLOW_HOME = _prepare_environment()

pytest_plugins = ["tests.support.fixtures", "tests.support.slow_tests"]

# The same examples in every run, so that a failure is caused by the change that is tested.
settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
# More examples, different in each run: pytest --hypothesis-profile=search
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile("ci")


_folder_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def shared_folder(airflow_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A separate folder per test for the files of the host's store: rate limits, tokens and checkpoints."""
    from airflow_provider_engagevoice.ringcx.storage import file

    folder = airflow_home / f"shared-{next(_folder_numbers)}"
    monkeypatch.setenv(file.FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.storage.registry._open", {})
    monkeypatch.setattr("airflow_provider_engagevoice.ringcx.auth.refresh._TOKEN_SLOTS", {})
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """The AIRFLOW_HOME of this test process; its `dags` folder is Airflow's DAGS_FOLDER."""
    return AIRFLOW_HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """Airflow's metadata database (SQLite) of this test process, migrated once."""
    from airflow.utils.db import initdb

    initdb()
    return airflow_home / "airflow.db"


@pytest.fixture
def ringcx_settings() -> Settings:
    """Default settings of the sandbox: small, with strict reservations; test folders may override them."""
    return Settings(size=3000, strict_reservation=True)


@pytest.fixture
def issued_tokens(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All tokens that sandboxes issue during the test."""
    tokens: list[str] = []
    original = TokenFamily.issue

    def issue(family: TokenFamily) -> str:
        tokens.append(original(family))
        return tokens[-1]

    monkeypatch.setattr(TokenFamily, "issue", issue)
    return tokens


@pytest.fixture
def logged(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Return a function that returns everything logged so far.

    Tasks of Airflow 3 log to standard output, tasks of Airflow 2 to the logging module.
    """
    # Airflow's database migration sets the root logger's level to WARNING.
    caplog.set_level("INFO")
    captured: list[str] = []

    def read() -> str:
        captured.extend(capfd.readouterr())
        return without_supervisor_messages("".join(captured)) + caplog.text

    return read
