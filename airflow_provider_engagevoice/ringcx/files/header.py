"""Check of column names, for all sources of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter


def check_column_names(source: str, names: Sequence[str]) -> None:
    """Raise if the values of a row cannot be identified by the names of their columns.

    No name is shown, since the first line of a file without a header has values.

    :param source: what has the columns, such as ``source`` or ``sql``; begins the message.
    :param names: names of the columns.
    :raises InvalidParameter: if a name is empty, or two columns have the same name.
    """
    if not all(names):
        raise InvalidParameter(f"{source}: column {list(names).index('') + 1} of {len(names)} has no name")
    repeated = next((name for name, count in Counter(names).items() if count > 1), None)
    if repeated is not None:
        first, second, *_ = [number for number, name in enumerate(names, start=1) if name == repeated]
        raise InvalidParameter(
            f"{source}: columns {first} and {second} of {len(names)} have the same name; rename or remove one"
        )
