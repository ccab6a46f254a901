"""The leads of a sandbox: what is to be done, and what was done."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_provider_engagevoice.sandbox.server.sandbox_server import ACCOUNT_ID


def passes(state: Path) -> dict[str, int]:
    """Read how many passes each lead has had.

    :param state: the sandbox's state file.
    :return: passes by external id, of the connections' sub-account; ids that several leads have are left out.
    """
    with contextlib.closing(sqlite3.connect(state)) as database:
        rows = database.execute(
            "SELECT externId, min(leadPasses) FROM leads WHERE accountId = ? GROUP BY externId"
            " HAVING count(*) = 1",
            (ACCOUNT_ID,),
        )
        return dict(rows.fetchall())


def times_done(ids: Sequence[str], before: Mapping[str, int], after: Mapping[str, int]) -> Counter[int]:
    """Count how often leads were acted on, each of which adds a pass.

    :param ids: their external ids.
    :param before: passes before.
    :param after: passes after.
    :return: number of leads by number of times.
    """
    return Counter(after[one] - before[one] for one in ids)


def write_sources(folder: Path, ids: Sequence[str], files: int) -> list[Path]:
    """Write external ids to files, one a line, as an export would.

    :param folder: where to.
    :param ids: the ids.
    :param files: how many files.
    :return: the files.
    """
    size = -(-len(ids) // files)
    paths = [folder / f"{number:03d}.txt" for number in range(files)]
    for number, path in enumerate(paths):
        path.write_text("".join(f"{one}\n" for one in ids[number * size : (number + 1) * size]))
    return paths
