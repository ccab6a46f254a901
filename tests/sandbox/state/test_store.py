"""State file: durability across restarts and kills, exclusive use, permissions."""

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

from airflow_provider_engagevoice.sandbox.seed import generated_data
from airflow_provider_engagevoice.sandbox.seed.generated_data import GeneratedData
from airflow_provider_engagevoice.sandbox.server.sandbox_server import SandboxServer
from airflow_provider_engagevoice.sandbox.settings import Settings
from airflow_provider_engagevoice.sandbox.state.sandbox import SandboxState
from airflow_provider_engagevoice.sandbox.state.store import StateFileError, Store

SMALL = Settings(size=60, limits="off")
EVERY_LEAD: dict[str, Any] = {"campaignLeadSearchCriteria": {}, "leadActionParams": {"paramMap": {}}}
COMMAND = [sys.executable, "-m", "airflow_provider_engagevoice.sandbox", "--port", "0", "--limits", "off"]


@contextlib.contextmanager
def command(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; yield the process and its URL."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process, process.stdout.readline().split()[-1]
    finally:
        process.kill()
        process.communicate()


def test_kill_leaves_actions_complete_or_rolled_back(tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    answered = []
    with command("--size", "20000", "--state", file) as (process, url):
        session = requests.Session()
        session.trust_env = False
        session.headers["X-Auth-Token"] = "sandbox-token"
        root = f"{url}/voice/api/v1/admin/accounts/50810001/campaignLeads/actions"
        several_answered = threading.Event()

        def act() -> None:
            """Suppress and unsuppress all leads in turn, until the server is gone."""
            with contextlib.suppress(requests.RequestException):
                for number in range(10_000):
                    action = "UNSUPPRESS_LEADS" if number % 2 else "SUPPRESS_LEADS"
                    response = session.put(root, params={"leadAction": action}, json=EVERY_LEAD, timeout=20)
                    response.raise_for_status()
                    answered.append(number % 2 == 0)
                    if number == 4:
                        several_answered.set()
            several_answered.set()

        thread = threading.Thread(target=act)
        thread.start()
        assert several_answered.wait(60)
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
    # Atomic: the state after the last answered action, or after the one that followed it.
    assert suppressed in ("0", "1")
    assert others == 2


def test_answered_action_survives_kill(tmp_path: Path, api_of: Any) -> None:
    file = str(tmp_path / "state.db")
    with command("--size", "200", "--state", file) as (process, url):
        headers = {"X-Auth-Token": "sandbox-token"}
        root = f"{url}/voice/api/v1/admin/accounts/50810001/campaignLeads/actions"
        done = requests.put(f"{root}?leadAction=DELETE_LEADS", json=EVERY_LEAD, headers=headers, timeout=20)
        assert done.json()["leadDeleteCount"] > 100
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    with SandboxServer(SMALL, database=file) as sandbox:
        assert sandbox.contents["leads"] == 200 - done.json()["leadDeleteCount"]


@pytest.mark.parametrize("size", [1000, 60_000])
def test_kill_during_seeding_leaves_file_empty(tmp_path: Path, size: int) -> None:
    file = tmp_path / "state.db"
    code = (
        "import os, signal, sys\n"
        "from airflow_provider_engagevoice.sandbox.seed import generated_data\n"
        "from airflow_provider_engagevoice.sandbox.state.store import Store\n"
        # The last step, when most of the data has been written.
        "generated_data.add_dnc_leads = lambda connection: os.kill(os.getpid(), signal.SIGKILL)\n"
        "generated_data.GeneratedData(1, int(sys.argv[2])).fill(Store(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file), str(size)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert file.exists()
    with SandboxServer(SMALL, database=str(file)) as sandbox:
        assert sandbox.contents["leads"] == SMALL.size


def test_file_in_use_raises(tmp_path: Path, api_of: Any) -> None:
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


def test_file_of_another_version_raises_and_is_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with SandboxServer(SMALL, database=str(file)):
        pass
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 1")
    before = file.read_bytes()
    with pytest.raises(StateFileError, match="not written by this version"):
        SandboxServer(SMALL, database=str(file))
    assert file.read_bytes() == before


def test_empty_file_name_raises() -> None:
    with pytest.raises(StateFileError, match="empty"):
        SandboxServer(SMALL, database="")


@pytest.mark.parametrize("exists", [False, True])
def test_file_is_readable_by_owner_only(tmp_path: Path, api_of: Any, exists: bool) -> None:
    file = tmp_path / "state.db"
    if exists:
        file.touch(0o644)
    with SandboxServer(SMALL, database=str(file)) as sandbox:
        api_of(sandbox).act("PAUSE_LEADS", {})
        modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("largest_copied", [0, 50_000])
def test_reset_of_file_restores_seed_data(
    tmp_path: Path, api_of: Any, monkeypatch: pytest.MonkeyPatch, largest_copied: int
) -> None:
    # Larger data is generated again instead of being copied.
    monkeypatch.setattr(generated_data, "_MAX_TEMPLATE_SIZE", largest_copied)
    with SandboxServer(Settings(size=300), database=str(tmp_path / "state.db")) as sandbox:
        before = sandbox.leads("Spring Renewals")
        api_of(sandbox).act("DELETE_LEADS", {})
        assert sandbox.leads("Spring Renewals") != before
        sandbox.reset()
        assert sandbox.leads("Spring Renewals") == before
        assert sandbox.contents["leads"] == 300


def test_failed_rebuild_changes_nothing(tmp_path: Path) -> None:
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


def test_large_seed_data_has_same_distribution() -> None:
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


def test_exception_in_transaction_rolls_back() -> None:
    sandbox = SandboxState.create(SMALL, ":memory:", GeneratedData(1, SMALL.size))

    def delete_and_fail() -> None:
        with sandbox.store.changing() as connection:
            connection.execute("DELETE FROM leads")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        delete_and_fail()
    with sandbox.store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM leads").fetchone()[0] == SMALL.size
    sandbox.store.close()


@pytest.mark.parametrize("content", [b"this is no database" * 100, None])
def test_unusable_file_raises_and_is_unchanged(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "state.db" if content else tmp_path / "missing" / "state.db"
    if content:
        file.write_bytes(content)
    with pytest.raises(StateFileError, match="cannot be used"):
        SandboxServer(SMALL, database=str(file))
    assert content is None or file.read_bytes() == content


def test_database_of_another_program_raises(tmp_path: Path) -> None:
    file = str(tmp_path / "other.db")
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE mine (id)")
    connection.close()
    with pytest.raises(StateFileError, match="not written by this version"):
        SandboxServer(SMALL, database=file)


def test_full_disk_during_seeding_raises_with_cause() -> None:
    store = Store(":memory:")
    with store.reading() as connection:
        connection.execute("PRAGMA max_page_count = 4")
    with pytest.raises(
        StateFileError, match="cannot be used as the sandbox's state: database or disk is full"
    ):
        GeneratedData(1, 100).fill(store)
