"""Passes of leads, read from a sandbox's state file: how often each lead was acted on."""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from airflow_provider_engagevoice.sandbox.server.sandbox_server import ACCOUNT_ID


def read_passes(state_file: Path) -> dict[str, int]:
    """Read the number of passes of each lead in the sub-account of the sandbox's connections.

    :param state_file: the sandbox's state file.
    :return: passes by external id, without external ids that several leads share.
    """
    with contextlib.closing(sqlite3.connect(state_file)) as database:
        rows = database.execute(
            "SELECT externId, min(leadPasses) FROM leads WHERE accountId = ? GROUP BY externId"
            " HAVING count(*) = 1",
            (ACCOUNT_ID,),
        )
        return dict(rows.fetchall())


def count_added_passes(
    ids: Sequence[str], before: Mapping[str, int], after: Mapping[str, int]
) -> Counter[int]:
    """Count leads by the number of passes added to them; each MANUAL_LEADS action adds one.

    :param ids: external ids of the leads.
    :param before: passes before the actions.
    :param after: passes after the actions.
    :return: number of leads by number of added passes.
    """
    return Counter(after[extern_id] - before[extern_id] for extern_id in ids)


def write_id_files(folder: Path, ids: Sequence[str], count: int) -> list[Path]:
    """Write external ids to text files of about equal size, one id per line.

    :param folder: folder for the files.
    :param ids: the external ids.
    :param count: number of files.
    :return: paths of the files.
    """
    size = -(-len(ids) // count)
    paths = [folder / f"{number:03d}.txt" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_text("".join(f"{extern_id}\n" for extern_id in ids[number * size : (number + 1) * size]))
    return paths
