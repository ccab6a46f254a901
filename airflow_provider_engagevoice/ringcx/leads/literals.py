"""Lists and dicts in rendered text: JSON, or Python literals as Jinja writes them."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_engagevoice.ringcx.exceptions import InvalidCriteria

_BLANK_TEXTS = frozenset({"", "None", "null", "[]", "{}", "()", "set()", '""', "''"})
#: Compiled on use, which a DAG with literals does not need.
_QUOTED = r"""(?s)'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*["]"""
_ALTERED_BY_PYTHON = r"(?i)[+#\\]|[0-9]_|0[box]|''\s*[a-z]*''"
"""Literals whose value in Python differs from their text: +1, 1_000, 0x1F, 'A' 'B' without a comma, and those
around a comment or a backslash."""


def is_blank(value: Any) -> bool:
    """Return whether a rendered value is blank.

    :param value: the value, or its text as rendered by Jinja: ``"None"`` and ``"[]"`` are blank too.
    :return: True if it is blank.
    """
    if isinstance(value, str):
        return value.strip() in _BLANK_TEXTS
    return value is None or (isinstance(value, (list, tuple, set, frozenset, Mapping)) and not value)


def parse_text(text: str, name: str) -> Any:
    """Parse text that Jinja rendered: JSON, or a Python literal.

    :param text: the text.
    :param name: name of the argument, for the error.
    :return: the value; None if the text is blank.
    :raises InvalidCriteria: if it is neither.
    """
    if is_blank(text):
        return None
    text = text.strip()
    try:
        return json.loads(text, object_pairs_hook=distinct_keys)
    except (ValueError, RecursionError):
        pass
    if (texts := _split_simple_list(text)) is not None:
        return texts
    try:
        if re.search(_ALTERED_BY_PYTHON, re.sub(_QUOTED, "''", text)):
            raise ValueError("Python would change an id")
        tree = ast.parse(text, mode="eval")
        if any(isinstance(node, ast.Dict) and _has_duplicate_keys(node) for node in ast.walk(tree)):
            raise ValueError("a key occurs twice")
        return ast.literal_eval(tree)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InvalidCriteria(
            f"{name} is text that is neither JSON nor a Python literal; pass a list, or the output of "
            "another task (task.output) without a template"
        ) from None


def _split_simple_list(text: str) -> list[str] | None:
    """Return the items of a list as Python writes it, if all are texts without quotes and escapes.

    Python's own parser needs about 1 KB of memory for each item.
    """
    is_simple = text.isprintable() and "\\" not in text and '"' not in text
    if not (is_simple and text.startswith("['") and text.endswith("']")):
        return None
    items = text[2:-2].split("', '")
    # Each quote belongs to a separator, or to an end of the list.
    return items if text.count("'") == 2 * len(items) else None


def distinct_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of a JSON text.

    :param pairs: its keys and values.
    :return: the object.
    :raises ValueError: if a key occurs twice, since the first value would be lost.
    """
    if len(result := dict(pairs)) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


def _has_duplicate_keys(node: ast.Dict) -> bool:
    keys = [key.value for key in node.keys if isinstance(key, ast.Constant)]
    return len(set(keys)) != len(keys)
