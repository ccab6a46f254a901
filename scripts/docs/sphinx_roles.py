"""Griffe extension: shows the reStructuredText of docstrings, such as :class:`Name`, as Markdown."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:\w+:)?\w+:`~?(?:[^`<]*<)?(?P<name>[\w.]+)>?`")
#: The mark of a literal block, alone in its line or at the end of a sentence.
_LITERAL = re.compile(r"^::\n|(?<=\w:):(?=\n\n +)", re.MULTILINE)


class SphinxRoles(griffe.Extension):
    """Replaces roles and marks of literal blocks in the docstring of every object."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Replace them in one docstring.

        :param obj: the object that was loaded.
        :param kwargs: what Griffe adds.
        """
        if obj.docstring is not None:
            obj.docstring.value = _LITERAL.sub("", _ROLE.sub(_as_code, obj.docstring.value))


def _as_code(role: re.Match[str]) -> str:
    return f"`{role['name'].rpartition('.')[2]}`"
