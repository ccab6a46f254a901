"""The state file: what survives a restart and a kill, and who may use the file."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_engagevoice.sandbox.seed import world
from airflow_provider_engagevoice.sandbox.seed.generated_data import GeneratedData
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.store import StateFileError, Store

SMALL = Settings(size=60, limits="off")
COMMAND = [sys.executable, "-m", "airflow_provider_engagevoice.sandbox", "--port", "0", "--limits", "off"]


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; give the process and its URL."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def test_a_kill_leaves_every_action_whole_or_undone(tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    answered = []
    with command("--size", "20000", "--state", file) as (process, url):
        session = requests.Session()
        session.trust_env = False
        session.headers["X-Auth-Token"] = "sandbox-token"
        root = f"{url}/voice/api/v1/admin/accounts/50810001/campaignLeads/actions"
        enough = threading.Event()

        def act() -> None:
            """Suppress everybody, and nobody, until the server is gone."""
            with contextlib.suppress(requests.RequestException):
                for number in range(10_000):
                    action = "UNSUPPRESS_LEADS" if number % 2 else "SUPPRESS_LEADS"
                    body = {"campaignLeadSearchCriteria": {}, "leadActionParams": {"paramMap": {}}}
                    session.put(root, params={"leadAction": action}, json=body, timeout=20).raise_for_status()
                    answered.append(number % 2 == 0)
                    if number == 4:
                        enough.set()
            enough.set()

        thread = threading.Thread(target=act)
        thread.start()
        assert enough.wait(60)
        process.send_signal(signal.SIGKILL)
        thread.join(30)
        session.close()
    assert len(answered) >= 5
    with SandboxServer(SMALL, database=file) as sandbox:
        assert sandbox.contents["leads"] == 20_000
    with contextlib.closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        (suppressed,) = connection.execute(
            "SELECT group_concat(DISTINCT suppressed) FROM leads WHERE accountId = '50810001'"
        ).fetchone()
        (others,) = connection.execute(
            "SELECT count(DISTINCT suppressed) FROM leads WHERE accountId = '50810002'"
        ).fetchone()
    # All or nothing: the last action answered, or the one after it.
    assert suppressed in ("0", "1")
    assert others == 2


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    with command("--size", "200", "--state", file) as (process, url):
        headers = {"X-Auth-Token": "sandbox-token"}
        root = f"{url}/voice/api/v1/admin/accounts/50810001/campaignLeads/actions"
        body = {"campaignLeadSearchCriteria": {}, "leadActionParams": {"paramMap": {}}}
        done = requests.put(f"{root}?leadAction=DELETE_LEADS", json=body, headers=headers, timeout=20)
        assert done.json()["leadDeleteCount"] > 100
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with SandboxServer(SMALL, database=file) as sandbox:
        assert sandbox.contents["leads"] == 200 - done.json()["leadDeleteCount"]


@pytest.mark.parametrize("size", [1000, 60_000])
def test_a_kill_while_the_file_is_seeded_leaves_it_empty(tmp_path: Path, size: int) -> None:
    file = tmp_path / "state.db"
    code = (
        "import os, signal, sys\n"
        "from airflow_provider_engagevoice.sandbox.seed import world\n"
        "from airflow_provider_engagevoice.sandbox.state.store import Store\n"
        # The last step of the building, when most is in the file.
        "world.add_dnc_leads = lambda connection: os.kill(os.getpid(), signal.SIGKILL)\n"
        "world.GeneratedData(1, int(sys.argv[2])).fill(Store(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file), str(size)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.exists()
    with SandboxServer(SMALL, database=str(file)) as sandbox:
        assert sandbox.contents["leads"] == SMALL.size


def test_a_second_sandbox_on_the_same_file_is_refused(tmp_path: Path, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    with SandboxServer(SMALL, database=file) as first:
        with pytest.raises(StateFileError, match=r"state\.db is in use by another sandbox or program\.$"):
            SandboxServer(SMALL, database=file)
        done = subprocess.run(
            [*COMMAND, "--state", file], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        assert "is in use by another sandbox" in done.stderr
        assert api_of(first).get("dialGroups").status_code == 200
    with SandboxServer(SMALL, database=file) as again:
        assert again.contents["leads"] == SMALL.size


def test_a_file_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with SandboxServer(SMALL, database=str(file)):
        pass
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 1")
    before = file.read_bytes()
    with pytest.raises(StateFileError, match="not written by this version"):
        SandboxServer(SMALL, database=str(file))
    assert file.read_bytes() == before


def test_a_file_without_a_name_is_refused() -> None:
    with pytest.raises(StateFileError, match="empty"):
        SandboxServer(SMALL, database="")


@pytest.mark.parametrize("exists", [False, True])
def test_the_file_is_for_its_owner_only(tmp_path: Path, api_of: Any, exists: bool) -> None:
    file = tmp_path / "state.db"
    if exists:
        file.touch(0o644)
    with SandboxServer(SMALL, database=str(file)) as sandbox:
        api_of(sandbox).act("PAUSE_LEADS", {})
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("largest_copied", [0, 50_000])
def test_reset_of_a_file_brings_the_world_back(
    tmp_path: Path, api_of: Any, monkeypatch: pytest.MonkeyPatch, largest_copied: int
) -> None:
    # A larger world is built anew.
    monkeypatch.setattr(world, "_LARGEST_TEMPLATE", largest_copied)
    with SandboxServer(Settings(size=300), database=str(tmp_path / "state.db")) as sandbox:
        before = sandbox.leads("Spring Renewals")
        api_of(sandbox).act("DELETE_LEADS", {})
        assert sandbox.leads("Spring Renewals") != before
        sandbox.reset()
        assert sandbox.leads("Spring Renewals") == before
        assert sandbox.contents["leads"] == 300


def test_a_reset_that_fails_changes_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "state.db"))
    GeneratedData(1, 50).fill(store)

    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (id)")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.rebuild(fail)
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM leads").fetchone()[0] == 50
    store.close()


def test_large_worlds_are_like_small_ones() -> None:
    store = Store(":memory:")
    GeneratedData(1, 60_000).fill(store)
    with store.reading() as connection:
        leads = connection.execute(
            "SELECT leadId, externId, leadPhone, firstName, lastName, leadState, campaignName"
            " FROM leads JOIN campaigns USING (campaignId) ORDER BY leadId"
        ).fetchall()
    store.close()
    assert len(leads) == 60_000
    share = sum(lead["campaignName"] == "Spring Renewals" for lead in leads) / len(leads)
    assert 0.06 < share < 0.08
    ready = sum(lead["leadState"] == "READY" for lead in leads) / len(leads)
    assert 0.57 < ready < 0.63
    extern_ids = {lead["externId"] for lead in leads}
    assert len(leads) - 100 < len(extern_ids) < len(leads)
    assert len({(lead["firstName"], lead["lastName"], lead["leadPhone"]) for lead in leads}) > 59_000
    assert 500 < sum("|" in lead["leadPhone"] for lead in leads) < 3000
    ids = [lead["leadId"] for lead in leads]
    assert {later - earlier for earlier, later in itertools.pairwise(ids)} > {3, 5}
