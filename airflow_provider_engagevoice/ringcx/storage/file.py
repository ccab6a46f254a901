"""State store in private files, shared by all tasks of one user on one host."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import itertools
import logging
import os
import stat
import struct
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from airflow_provider_engagevoice.ringcx import clock
from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import (
    LimitExceeded,
    StateStore,
    StoreUnavailable,
    history_length,
    next_slot,
)

log = logging.getLogger(__name__)

#: Seconds to wait for the lock of a slot file, which is held for less than a millisecond.
_LOCK_TIMEOUT = 5.0
_LOCK_POLL_INTERVAL = 0.002
_TIMESTAMP = struct.Struct("<d")
#: No slot is reserved further ahead, in seconds; a file with a later one is corrupt.
_MAX_SLOT_AHEAD = 86_400.0
#: No value is stored for longer, in seconds; a file with a longer lifetime is corrupt.
_MAX_LIFETIME = 31 * 86_400.0
#: Largest value, in bytes.
_MAX_VALUE = 16 << 20
#: Seconds after which expired values and unfinished files are removed.
_REMOVE_AFTER = 3600.0
#: Number of lock files for updates of values.
_UPDATE_LOCKS = 16

FOLDER_VARIABLE = "ENGAGEVOICE_FOLDER"
"""Environment variable that overrides the default folder of a host."""

_UNFINISHED = "unfinished-"
_OPEN_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


class FileStore(StateStore):
    """State shared by the tasks of one user on one host. Needs no server.

    Files are readable by their owner only, in a folder that belongs to the same user and is not a symbolic
    link. The kernel releases the locks of a process that dies. Timestamps are those of the host's monotonic
    clock, which changes of the system time do not affect; the name of each file depends on the host's boot
    id, so that several hosts on one shared disk use separate files.

    :param folder: folder of the files; default the environment variable ``ENGAGEVOICE_FOLDER``, else a folder
        in ``/dev/shm``, else one in the temporary directory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._cleaned_up = False
        self._known_folder: Path | None = None
        self.name = f"files in {folder}" if folder else "files on this host"

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], margin: float, max_wait: float) -> float:
        with self._open_file("slots", key) as descriptor, _locked(descriptor):
            now = clock.monotonic()
            slots = _read_slots(descriptor, history_length(windows), now)
            slot = next_slot(slots, windows, margin, now)
            if slot - now > max_wait:
                raise LimitExceeded(slot - now)
            _overwrite(descriptor, b"".join(map(_TIMESTAMP.pack, [*slots, slot][-history_length(windows) :])))
        return slot - now

    def get(self, key: str) -> tuple[bytes, float] | None:
        with _as_store_errors():
            try:
                descriptor = os.open(self._path("value", key), os.O_RDONLY | _OPEN_FLAGS)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(_TIMESTAMP.size + _MAX_VALUE)
        if len(content) <= _TIMESTAMP.size:
            return None
        left = _TIMESTAMP.unpack_from(content)[0] - clock.monotonic()
        return (content[_TIMESTAMP.size :], left) if 0 < left < _MAX_LIFETIME else None

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        if len(value) > _MAX_VALUE:
            raise StoreUnavailable(f"a value has at most {_MAX_VALUE >> 20} MiB")
        with _as_store_errors():
            path = self._path("value", key)
            # Written to a separate file and renamed, so that readers never see a partial value.
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_TIMESTAMP.pack(clock.monotonic() + lifetime) + value)
                # The file system's clock, which tests that freeze the time do not affect.
                now = Path(unfinished).stat().st_mtime
                os.utime(unfinished, (now, now + lifetime))
                Path(unfinished).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(unfinished).unlink()
                raise
            if not self._cleaned_up:
                self._cleaned_up = True
                _remove_expired(path.parent, now)

    def compare_and_set(self, key: str, expected: bytes | None, value: bytes, lifetime: float) -> bool:
        # A fixed number of lock files: one per key could never be removed safely.
        lock = str(zlib.crc32(key.encode()) % _UPDATE_LOCKS)
        with self._open_file("update", lock) as descriptor, _locked(descriptor):
            found = self.get(key)
            if (found[0] if found else None) != expected:
                return False
            self.set(key, value, lifetime)
        return True

    def delete(self, key: str) -> None:
        with _as_store_errors():
            self._path("value", key).unlink(missing_ok=True)

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        with _as_store_errors():
            descriptor = os.open(self._path("lock", key), os.O_RDWR | os.O_CREAT | _OPEN_FLAGS, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
        return lambda: _unlock(descriptor)

    @contextlib.contextmanager
    def _open_file(self, kind: str, key: str) -> Iterator[int]:
        """Open a file for one operation only: a descriptor kept over a fork would share its lock."""
        with _as_store_errors():
            descriptor = os.open(self._path(kind, key), os.O_RDWR | os.O_CREAT | _OPEN_FLAGS, 0o600)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def _path(self, kind: str, key: str) -> Path:
        name = hashlib.sha256(f"{_boot_id()}\0{key}".encode()).hexdigest()[:32]
        return self._open_folder(self._folder or _default_folder()) / f"{kind}-{name}"

    def _open_folder(self, folder: Path) -> Path:
        """Create the folder if it is missing; log if it existed before."""
        if folder == self._known_folder and not folder.exists():
            log.warning(
                "Set %s to a folder that is kept: %s was deleted while tasks were running, and with it the "
                "rate limits, tokens and checkpoints of this host. A new one is used",
                FOLDER_VARIABLE,
                folder,
            )
        created = _private_folder(folder)
        self._known_folder = folder
        return created


@contextlib.contextmanager
def _as_store_errors() -> Iterator[None]:
    """Raise errors of the file system as :class:`StoreUnavailable`."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(error.strerror or type(error).__name__) from error
    except ValueError as error:  # a path that the operating system does not allow
        raise StoreUnavailable(str(error)) from error


def _default_folder() -> Path:
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    # Other users can write there; _private_folder() checks the owner and mode of the folder in it.
    memory = Path("/dev/shm")  # noqa: S108
    parent = memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    return parent / f"airflow-engagevoice-{os.geteuid()}"


def _private_folder(folder: Path) -> Path:
    """Create a folder if it is missing, and check that no other user has access to it."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StoreUnavailable(
            f"{folder} must be a folder that only this user owns and can access, mode 0700"
        )
    return folder


@functools.lru_cache(maxsize=1)
def _boot_id() -> str:
    """Return an id that changes with each boot of this host."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return os.uname().nodename


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Hold a file's lock."""
    deadline = clock.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if clock.monotonic() > deadline:
                raise StoreUnavailable(f"file lock not acquired within {_LOCK_TIMEOUT:g} s") from None
        time.sleep(_LOCK_POLL_INTERVAL)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _unlock(descriptor: int) -> None:
    """Release a lock explicitly: closing is not enough if a forked process has the file open, too."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _remove_expired(folder: Path, now: float) -> None:
    """Remove values that have expired and files that were never finished.

    The modification time of a value is its expiry by the system time. The expiry in the file counts on the
    monotonic clock of one host and one boot, and says nothing about the values of other hosts.
    """
    for path in folder.iterdir():
        with contextlib.suppress(OSError):
            temporary = path.name.startswith(("value-", _UNFINISHED))
            if temporary and path.stat().st_mtime < now - _REMOVE_AFTER:
                path.unlink()


def _read_slots(descriptor: int, limit: int, now: float) -> list[float]:
    """Return the reserved slots; none if the file is truncated or implausible."""
    content = os.pread(descriptor, (limit + 1) * _TIMESTAMP.size, 0)
    if len(content) % _TIMESTAMP.size:
        return []
    slots = [slot for (slot,) in _TIMESTAMP.iter_unpack(content)]
    ascending = all(earlier <= later for earlier, later in itertools.pairwise(slots))
    return slots if ascending and all(0 <= slot < now + _MAX_SLOT_AHEAD for slot in slots) else []


def _overwrite(descriptor: int, content: bytes) -> None:
    if os.pwrite(descriptor, content, 0) < len(content):
        raise StoreUnavailable("No space left on device")
    os.ftruncate(descriptor, len(content))
