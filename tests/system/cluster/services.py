"""Temporary Redis and PostgreSQL servers on local ports, protected by generated passwords."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.system.cluster.supervisor import Supervisor, wait_until_ready

_HOST = "127.0.0.1"
#: PostgreSQL's programs on Debian and Ubuntu, where they are not on the PATH.
_POSTGRES_FOLDERS = "/usr/lib/postgresql/*/bin"
#: User that runs PostgreSQL if the current user is root, as which PostgreSQL refuses to run.
_POSTGRES_USER = "postgres"


class MissingRequirement(Exception):
    """A program or package is missing; the message says how to install it."""


@dataclass(frozen=True)
class ServerPrograms:
    """Paths of the server programs that a cluster needs.

    :param redis: redis-server.
    :param postgres: PostgreSQL's programs.
    """

    redis: str
    postgres: PostgresPrograms


@dataclass(frozen=True)
class PostgresPrograms:
    """Paths of PostgreSQL's programs.

    :param initdb: PostgreSQL's initdb.
    :param postgres: PostgreSQL's server.
    :param user: user to run PostgreSQL as; None for the current user.
    """

    initdb: str
    postgres: str
    user: str | None


def find_server_programs() -> ServerPrograms:
    """Find the server programs on this machine.

    :return: their paths.
    :raises MissingRequirement: if a program or PostgreSQL's user is missing.
    """
    found = _find_all("redis-server", "initdb", "postgres")
    return ServerPrograms(found["redis-server"], _postgres_programs(found))


def find_postgres_programs() -> PostgresPrograms:
    """Find PostgreSQL's programs on this machine.

    :return: their paths.
    :raises MissingRequirement: if a program or PostgreSQL's user is missing.
    """
    return _postgres_programs(_find_all("initdb", "postgres"))


def _postgres_programs(found: Mapping[str, str]) -> PostgresPrograms:
    user = _POSTGRES_USER if os.geteuid() == 0 else None
    if user:
        try:
            pwd.getpwnam(user)
        except KeyError:
            raise MissingRequirement(
                f"User {user} not found. PostgreSQL does not run as root: create the user (useradd --system "
                f"{user}), or run this as a user other than root."
            ) from None
    return PostgresPrograms(found["initdb"], found["postgres"], user)


def _find_all(*names: str) -> dict[str, str]:
    """Return the path of each program, after the check that all are installed."""
    found = {name: path for name in names if (path := _find(name)) is not None}
    missing = [name for name in names if name not in found]
    if missing:
        raise MissingRequirement(
            f"{', '.join(missing)} not found. Install Redis and PostgreSQL (Debian, Ubuntu: apt install "
            "redis-server postgresql; macOS: brew install redis postgresql). They need not be running: "
            "separate servers are started."
        )
    return found


def _find(name: str) -> str | None:
    folders = sorted(Path("/").glob(_POSTGRES_FOLDERS.lstrip("/")), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))


def free_port() -> int:
    """Return a TCP port that is not in use."""
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start_redis(programs: ServerPrograms, supervisor: Supervisor, folder: Path) -> str:
    """Start a Redis server.

    :param programs: paths of the server programs.
    :param supervisor: supervisor that runs the server.
    :param folder: an empty folder for its files.
    :return: its URL, without a database number.
    """
    port, password = free_port(), secrets.token_hex(16)
    settings = folder / "redis.conf"
    settings.touch(mode=0o600)
    # The password is passed in a file because other users can read the command line.
    settings.write_text(
        f'port {port}\nbind {_HOST}\nrequirepass {password}\nsave ""\nappendonly no\ndir "{folder}"\n'
    )
    supervisor.start("redis", [programs.redis, str(settings)], dict(os.environ))
    wait_until_ready("Redis", lambda: _is_listening(port), supervisor, 30)
    return f"redis://:{password}@{_HOST}:{port}"


def start_postgres(programs: PostgresPrograms, supervisor: Supervisor, folder: Path) -> str:
    """Start a PostgreSQL server.

    :param programs: paths of its programs.
    :param supervisor: supervisor that runs the server.
    :param folder: an empty folder for its files.
    :return: its URL without the scheme: user, password, host, port and database.
    """
    port, password = free_port(), secrets.token_hex(16)
    data, password_file = folder / "data", folder / "password"
    password_file.touch(mode=0o600)
    password_file.write_text(password)
    user = programs.user
    if user:
        for path in (folder, password_file):
            shutil.chown(path, user, user)
    environment = {**os.environ, "LC_ALL": "C"}
    command = [programs.initdb, "-D", str(data), "-U", "airflow", "-A", "scram-sha-256"]
    command += [f"--pwfile={password_file}", "-E", "UTF8", "--no-sync"]
    result = subprocess.run(
        command,
        check=False,
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        user=user,
        group=user,
        extra_groups=[] if user else None,
    )
    if result.returncode:
        raise RuntimeError(
            f"initdb failed with exit code {result.returncode}:\n{result.stdout}{result.stderr}"
        )
    password_file.unlink()
    options = {
        "listen_addresses": _HOST,
        "unix_socket_directories": "",
        "fsync": "off",
        "max_connections": "200",
    }
    supervisor.start(
        "postgres",
        [programs.postgres, "-D", str(data), "-p", str(port), *_command_line_options(options)],
        environment,
        user=user,
        stop_signal=signal.SIGINT,  # fast shutdown: does not wait for clients to disconnect
    )
    address = f"airflow:{password}@{_HOST}:{port}/postgres"
    wait_until_ready("PostgreSQL", lambda: _accepts_connections(address), supervisor, 60)
    return address


def _command_line_options(options: dict[str, str]) -> Iterator[str]:
    for name, value in options.items():
        yield from ("-c", f"{name}={value}")


def _accepts_connections(address: str) -> bool:
    import psycopg2

    with contextlib.suppress(psycopg2.OperationalError):
        psycopg2.connect(f"postgresql://{address}", connect_timeout=2).close()
        return True
    return False


def _is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((_HOST, port), 0.5):
        return True
    return False
