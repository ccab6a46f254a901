"""A share in private files, for all tasks of one user on one host. Needs no server."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import itertools
import os
import stat
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from airflow_provider_engagevoice.ringcx.spec.rate_limits import RateWindow
from airflow_provider_engagevoice.ringcx.storage.base import (
    LimitExceeded,
    StateStore,
    StoreUnavailable,
    history_length,
    next_slot,
)

#: Seconds to wait for the lock, which its holders keep for less than a millisecond.
_LOCK_WAIT = 5.0
_LOCK_POLL = 0.002
_MOMENT = struct.Struct("<d")
#: No moment is booked further ahead. What says otherwise is no file of ours.
_HORIZON = 86_400.0
#: Likewise for the life of a value.
_LONGEST_LIFE = 31 * 86_400.0
#: Values that ended so many seconds ago, and files never finished, are cleared away.
_LITTER = 3600.0

FOLDER_VARIABLE = "ENGAGEVOICE_FOLDER"
"""The environment variable that names the folder of hosts that want another one than the default."""


class FileStore(StateStore):
    """What the tasks of one user on one host share.

    Files are made for their owner only, in a folder that is his own and no link. The kernel frees the
    locks of a process that dies. Moments are those of the host's monotonic clock, which no setting of the
    time moves; the name of each file has the host's boot in it, so that on a disk that several hosts see
    they keep apart.

    :param folder: where the files are; default what the environment's ``ENGAGEVOICE_FOLDER`` names, else
        one in ``/dev/shm``, else one in the temporary folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._swept = False
        self.name = f"files in {folder}" if folder else "files of this host"

    def reserve_slot(self, key: str, windows: Sequence[RateWindow], pad: float, longest: float) -> float:
        with self._open("slots", key) as descriptor, _locked(descriptor):
            now = time.monotonic()
            booked = _read_moments(descriptor, history_length(windows), now)
            moment = next_slot(booked, windows, pad, now)
            if moment - now > longest:
                raise LimitExceeded(moment - now)
            _write(descriptor, b"".join(map(_MOMENT.pack, [*booked, moment][-history_length(windows) :])))
        return moment - now

    def get(self, key: str) -> tuple[bytes, float] | None:
        with _failures_named():
            try:
                descriptor = os.open(self._path("value", key), os.O_RDONLY | _SAFELY)
            except FileNotFoundError:
                return None
            with os.fdopen(descriptor, "rb") as file:
                content = file.read(1 << 20)
        if len(content) <= _MOMENT.size:
            return None
        left = _MOMENT.unpack_from(content)[0] - time.monotonic()
        return (content[_MOMENT.size :], left) if 0 < left < _LONGEST_LIFE else None

    def set(self, key: str, value: bytes, lifetime: float) -> None:
        with _failures_named():
            path = self._path("value", key)
            if not self._swept:
                self._swept = True
                _sweep(path.parent)
            # A file of its own, then renamed: nobody ever reads half a value.
            descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(_MOMENT.pack(time.monotonic() + lifetime) + value)
                Path(unfinished).replace(path)
            except BaseException:
                with contextlib.suppress(OSError):
                    Path(unfinished).unlink()
                raise

    def delete(self, key: str) -> None:
        with _failures_named():
            self._path("value", key).unlink(missing_ok=True)

    def acquire_lock(self, key: str, lifetime: float) -> Callable[[], object] | None:
        with _failures_named():
            descriptor = os.open(self._path("lock", key), os.O_RDWR | os.O_CREAT | _SAFELY, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
        return lambda: _release(descriptor)

    @contextlib.contextmanager
    def _open(self, kind: str, key: str) -> Iterator[int]:
        """Open a file for one operation only: a descriptor kept over a fork would share its lock."""
        with _failures_named():
            descriptor = os.open(self._path(kind, key), os.O_RDWR | os.O_CREAT | _SAFELY, 0o600)
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def _path(self, kind: str, key: str) -> Path:
        name = hashlib.sha256(f"{_boot()}\0{key}".encode()).hexdigest()[:32]
        return _private(self._folder or _default_folder()) / f"{kind}-{name}"


_UNFINISHED = "unfinished-"
_SAFELY = os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def _failures_named() -> Iterator[None]:
    """Tell what the disk refuses as a share that failed."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(error.strerror or type(error).__name__) from error
    except ValueError as error:  # a path that none can be
        raise StoreUnavailable(str(error)) from error


def _default_folder() -> Path:
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
    return parent / f"airflow-engagevoice-{os.geteuid()}"


def _private(folder: Path) -> Path:
    """Make sure that a folder is there, and nobody else's."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StoreUnavailable(f"{folder} is not a folder of this user alone")
    return folder


@functools.lru_cache(maxsize=1)
def _boot() -> str:
    """Name this start of this host."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return os.uname().nodename


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Hold a file's lock."""
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise StoreUnavailable(f"its lock was held for {_LOCK_WAIT:g} s") from None
        time.sleep(_LOCK_POLL)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _release(descriptor: int) -> None:
    """Release a lock, and not by closing only: a process forked meanwhile has the file open, too."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _sweep(folder: Path) -> None:
    """Clear away what is of no use to anybody any more."""
    for path in folder.iterdir():
        with contextlib.suppress(OSError, struct.error):
            if path.name.startswith("value-"):
                ended = _MOMENT.unpack(path.read_bytes()[: _MOMENT.size])[0] < time.monotonic() - _LITTER
            else:
                ended = path.name.startswith(_UNFINISHED) and path.stat().st_mtime < time.time() - _LITTER
            if ended:
                path.unlink()


def _read_moments(descriptor: int, most: int, now: float) -> list[float]:
    """Read the moments booked; what is torn or cannot be true counts as none."""
    content = os.pread(descriptor, (most + 1) * _MOMENT.size, 0)
    if len(content) % _MOMENT.size:
        return []
    moments = [moment for (moment,) in _MOMENT.iter_unpack(content)]
    plausible = all(earlier <= later for earlier, later in itertools.pairwise(moments))
    return moments if plausible and all(0 <= moment < now + _HORIZON for moment in moments) else []


def _write(descriptor: int, content: bytes) -> None:
    if os.pwrite(descriptor, content, 0) < len(content):
        raise StoreUnavailable("No space left on device")
    os.ftruncate(descriptor, len(content))
