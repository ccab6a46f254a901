"""Paths of source files and reports: their format, and whether they can be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from airflow_provider_engagevoice.ringcx.exceptions import InvalidParameter
from airflow_provider_engagevoice.ringcx.leads.coercion import type_name

_TEXT_FORMATS = {"": "lines", ".txt": "lines", ".csv": "csv", ".jsonl": "json", ".ndjson": "json"}
_WITH_COLUMNS = ".csv, .jsonl, .ndjson, each also as .gz, or .parquet"
_SUPPORTED = {
    "ids": f"one id per line (.txt or no suffix), {_WITH_COLUMNS}",
    "rows": f"{_WITH_COLUMNS}, since rows have columns",
}
_LONGEST_NAME = 255
#: Compiled on use, which the parsing of a DAG does not need.
_PATH_START = r"(?i)\.{0,2}/|~[^/]*/|[a-z][a-z0-9+.-]*://"
_FILE_SUFFIX = r"(?i)\.(txt|csv|jsonl|ndjson|parquet|gz)"

Content = Literal["ids", "rows"]
"""Kind of content of a source file."""

ARGUMENT_OF: Mapping[Content, str] = {"ids": "search_criteria", "rows": "leads"}
"""Argument that takes the content itself instead of a path."""


def safe_path(value: object) -> str:
    """Return the path of a source or a report for display, redacted if it may be ids instead.

    :param value: the argument ``source`` or ``report``.
    :return: the path if it starts as one or ends with the suffix of a file, and contains no separator of a
        list; otherwise ``***``.
    """
    text = _path_text(value)
    is_path = re.match(_PATH_START, text) or re.fullmatch(_FILE_SUFFIX, PurePosixPath(text).suffix)
    if not is_path or _is_list(text) or max(map(len, text.split("/"))) > _LONGEST_NAME:
        return "***"
    return text


def _path_text(path: object) -> str:
    """Return a path as text; an empty text if it is neither a text nor an object that can be opened."""
    return path if isinstance(path, str) else str(path) if hasattr(path, "open") else ""


def _is_list(text: str) -> bool:
    """Return whether a text may be a list of ids."""
    return text.strip()[:1] in "[({" or any(character in ",;|" or ord(character) < 32 for character in text)


def is_compressed(path: Any) -> bool:
    """Return whether a source file is compressed, by its suffix."""
    return _file_name(path).lower().endswith(".gz")


def _file_name(path: Any) -> str:
    return PurePosixPath(str(path)).name


def file_format(path: Any, content: Content = "ids") -> str:
    """Return the format of a source file, by its suffix.

    :param path: its path.
    :param content: what is in the file, ``ids`` or ``rows``.
    :return: ``lines``, ``csv``, ``json`` (JSON Lines) or ``parquet``.
    :raises InvalidParameter: if the path is not a path, or its suffix is not that of a supported format.
    """
    text = _path_text(path)
    if not text or text.strip()[:1] in "[({" or any(ord(character) < 32 for character in text):
        # The value is not shown: it may be data instead of a path.
        raise InvalidParameter(
            f"source must be the path of a file, not {type_name(path)}; pass {content} in "
            f"{ARGUMENT_OF[content]}"
        )
    suffixes = PurePosixPath(_file_name(text).lower())
    if suffixes.suffix == ".parquet":
        return "parquet"
    known = _TEXT_FORMATS.get((PurePosixPath(suffixes.stem) if suffixes.suffix == ".gz" else suffixes).suffix)
    if known is None or (known == "lines" and content == "rows"):
        raise InvalidParameter(f"source must have the suffix of a supported format: {_SUPPORTED[content]}")
    return known
