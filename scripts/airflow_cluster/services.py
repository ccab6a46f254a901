"""Redis and PostgreSQL on free ports, for this machine only, with passwords of their own."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from airflow_cluster.processes import Programs, wait_until

_HOST = "127.0.0.1"
#: Where Debian and Ubuntu keep PostgreSQL's programs.
_POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
#: PostgreSQL refuses to run as root.
_POSTGRES_USER = "postgres"


class Missing(Exception):
    """Something is needed that is not there; the message says how to get it."""


@dataclass(frozen=True)
class Tools:
    """The programs that a cluster needs beside Python.

    :param redis: redis-server.
    :param initdb: PostgreSQL's initdb.
    :param postgres: PostgreSQL's server.
    :param user: who runs PostgreSQL; None for the present user.
    """

    redis: str
    initdb: str
    postgres: str
    user: str | None


def find_tools() -> Tools:
    """Look for what is needed.

    :return: where it is.
    :raises Missing: where something is missing; says what, and how to install it.
    """
    found = {name: _find(name) for name in ("redis-server", "initdb", "postgres")}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise Missing(
            f"Not found on this machine: {', '.join(missing)}. Needed are Redis and PostgreSQL (Debian, "
            "Ubuntu: apt install redis-server postgresql; macOS: brew install redis postgresql). Neither has "
            "to run: the cluster starts its own."
        )
    user = _POSTGRES_USER if os.geteuid() == 0 else None
    if user:
        try:
            pwd.getpwnam(user)
        except KeyError:
            raise Missing(
                f"PostgreSQL does not run as root, and there is no user {user}. Make it (useradd --system "
                f"{user}), or run this as another user than root."
            ) from None
    return Tools(str(found["redis-server"]), str(found["initdb"]), str(found["postgres"]), user)


def _find(name: str) -> str | None:
    folders = sorted(Path("/").glob(_POSTGRES_FOLDERS.lstrip("/")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def free_port() -> int:
    """Find a TCP port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start_redis(tools: Tools, programs: Programs, folder: Path) -> str:
    """Start Redis.

    :param tools: the programs of this machine.
    :param programs: what it is stopped with.
    :param folder: an empty folder.
    :return: its address, without the number of a database.
    """
    port, password = free_port(), secrets.token_hex(16)
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    # In a file: others can read a command line.
    settings.write_text(
        f'port {port}\nbind {_HOST}\nrequirepass {password}\nsave ""\nappendonly no\ndir "{folder}"\n'
    )
    programs.start("redis", [tools.redis, str(settings)], dict(os.environ))
    wait_until("Redis", lambda: _listens(port), programs, 30)
    return f"redis://:{password}@{_HOST}:{port}"


def start_postgres(tools: Tools, programs: Programs, folder: Path) -> str:
    """Start PostgreSQL.

    :param tools: the programs of this machine.
    :param programs: what it is stopped with.
    :param folder: an empty folder.
    :return: user, password, host, port and database, as part of an address.
    """
    port, password = free_port(), secrets.token_hex(16)
    data, given = folder / "data", folder / "password"
    given.touch(mode=0o600)
    given.write_text(password)
    if tools.user:
        for path in (folder, given):
            shutil.chown(path, tools.user, tools.user)
    environment = {**os.environ, "LC_ALL": "C"}
    command = [tools.initdb, "-D", str(data), "-U", "airflow", "-A", "scram-sha-256"]
    command += [f"--pwfile={given}", "-E", "UTF8", "--no-sync"]
    made = subprocess.run(
        command,
        check=False,
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        user=tools.user,
        group=tools.user,
        extra_groups=[] if tools.user else None,
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")
    given.unlink()
    options = {
        "listen_addresses": _HOST,
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "200",
    }
    programs.start(
        "postgres",
        [tools.postgres, "-D", str(data), "-p", str(port), *_options(options)],
        environment,
        user=tools.user,
        stop_signal=signal.SIGINT,  # at once, and not when its last client has gone
    )
    address = f"airflow:{password}@{_HOST}:{port}/postgres"
    wait_until("PostgreSQL", lambda: _answers(address), programs, 60)
    return address


def _options(options: dict[str, str]) -> Iterator[str]:
    for name, value in options.items():
        yield from ("-c", f"{name}={value}")


def _answers(address: str) -> bool:
    import psycopg2

    with contextlib.suppress(psycopg2.OperationalError):
        psycopg2.connect(f"postgresql://{address}", connect_timeout=2).close()
        return True
    return False


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((_HOST, port), 0.5):
        return True
    return False
