"""The folder of a plan, local or in object storage: ``plan.json``, ``plan.db``, ``plan.html``."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter, PlanTampered, TransientError
from airflow_provider_engagevoice.ringcx.files.manifest import measure_file
from airflow_provider_engagevoice.ringcx.files.output_file import OutputFile, local_path
from airflow_provider_engagevoice.ringcx.files.paths import safe_path
from airflow_provider_engagevoice.ringcx.files.source_file import is_permanent
from airflow_provider_engagevoice.ringcx.leads.temporary import (
    create_temporary_file,
    temporary_database_errors,
    temporary_file_error,
)
from airflow_provider_engagevoice.ringcx.sync.plan import SyncPlan

_READ_SIZE = 1 << 20
_PLAN, _DATABASE, _PAGE = "plan.json", "plan.db", "plan.html"
_STARTED, _APPLIED = "started.json", "applied.json"


@dataclass(frozen=True)
class PlanFolder:
    """The files of one plan. None of them has names, phone numbers, external ids or addresses.

    :param path: a local path, or an object of Airflow's ``ObjectStoragePath``.
    """

    path: Any

    def __post_init__(self) -> None:
        if isinstance(self.path, str):
            if not self.path.strip() or "://" in self.path:
                raise InvalidParameter(
                    "plan must be the path of a folder, or an ObjectStoragePath for object storage"
                )
            object.__setattr__(self, "path", Path(self.path))
        if not hasattr(self.path, "open"):
            raise InvalidParameter(f"plan must be the path of a folder, not {type(self.path).__name__}")

    def write(self, plan: SyncPlan, database: IO[bytes], page: str) -> None:
        """Write the files; ``plan.json`` last, so that a plan is complete if it is there.

        :param plan: the plan.
        :param database: file of its actions.
        :param page: the HTML page.
        :raises TransientError: if one of them cannot be written.
        """
        folder = local_path(self.path)
        if folder is not None and not folder.exists():
            with suppress(OSError):  # OutputFile raises the error
                folder.mkdir(mode=0o700, parents=True)

        def copy(file: IO[bytes]) -> None:
            database.seek(0)
            shutil.copyfileobj(database, file, _READ_SIZE)

        OutputFile(self.path / _DATABASE).write(copy)
        OutputFile(self.path / _PAGE).write(lambda file: file.write(page.encode()))
        self._write_json(_PLAN, plan.to_json())

    def read(self) -> SyncPlan:
        """Return the plan.

        :raises PlanTampered: if it is missing, or not what was written.
        :raises PlanVersion: if another version of this package has written it.
        """
        return SyncPlan.from_json(self._read_json(_PLAN))

    @contextmanager
    def database(self, plan: SyncPlan) -> Iterator[sqlite3.Connection]:
        """Copy the actions of a plan into a private temporary file and open it.

        :param plan: the plan.
        :return: the database, which may be written to; nothing of that is kept.
        :raises PlanTampered: if they are missing, or not those of the plan.
        """
        descriptor, path = create_temporary_file("engagevoice-")
        try:
            with os.fdopen(descriptor, "r+b") as copy:
                for block in self._read(_DATABASE):
                    _write(copy, block)
                copy.flush()
                if file_digest(copy) != plan.database_digest:
                    raise PlanTampered(
                        f"Plan again: {safe_path(self.path / _DATABASE)} is not that of the plan"
                    )
            database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            database.execute("PRAGMA journal_mode = OFF")
        finally:
            # It is open: without a name, it does not outlive the process.
            Path(path).unlink()
        with closing(database), temporary_database_errors():
            yield database

    def is_applied(self, plan: SyncPlan) -> bool:
        """Return whether a plan was applied.

        :param plan: the plan.
        """
        return self._is_marked(_APPLIED, plan)

    def is_started(self, plan: SyncPlan) -> bool:
        """Return whether a plan was applied in part, or may have been.

        :param plan: the plan.
        """
        return self._is_marked(_STARTED, plan)

    def mark_started(self, plan: SyncPlan) -> None:
        """Write that the first change of a plan is about to be made.

        :param plan: the plan.
        """
        self._mark(_STARTED, plan, {})

    def mark_applied(self, plan: SyncPlan, result: Mapping[str, Any]) -> None:
        """Write that a plan is applied.

        :param plan: the plan.
        :param result: the result.
        """
        self._mark(_APPLIED, plan, result)

    def _mark(self, name: str, plan: SyncPlan, values: Mapping[str, Any]) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        self._write_json(name, {"time": now, "digest": plan.digest, **values})

    def _is_marked(self, name: str, plan: SyncPlan) -> bool:
        if not (self.path / name).exists():
            return False
        values = self._read_json(name)
        return isinstance(values, Mapping) and values.get("digest") == plan.digest

    def _write_json(self, name: str, values: Mapping[str, Any]) -> None:
        text = json.dumps(values, indent=2, default=str) + "\n"
        OutputFile(self.path / name).write(lambda file: file.write(text.encode()))

    def _read_json(self, name: str) -> Any:
        try:
            return json.loads(b"".join(self._read(name)))
        except ValueError:
            raise PlanTampered(f"Plan again: {safe_path(self.path / name)} is damaged") from None

    def _read(self, name: str) -> Iterator[bytes]:
        """Yield the content of a file in blocks."""
        shown = safe_path(self.path / name)
        try:
            with (self.path / name).open("rb") as file:
                while block := file.read(_READ_SIZE):
                    yield block
        except Exception as error:
            # Each kind of storage raises its own errors; their messages may contain credentials.
            if isinstance(error, OSError) and is_permanent(error):
                raise PlanTampered(f"Plan again: {shown} cannot be read ({type(error).__name__})") from None
            raise TransientError(f"Cannot read {shown} ({type(error).__name__})") from None


def file_digest(file: IO[bytes]) -> str:
    """Return the digest of a database, as a plan keeps it.

    :param file: the file.
    """
    file.seek(0)
    return measure_file(file)[1]


def _write(file: Any, block: bytes) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise temporary_file_error(error.strerror or type(error).__name__, created=True) from None
