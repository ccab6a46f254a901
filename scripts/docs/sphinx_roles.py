"""Griffe extension: shows Sphinx roles of docstrings, such as :class:`Name`, as code."""

from __future__ import annotations

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:\w+:)?\w+:`~?(?:[^`<]*<)?(?P<name>[\w.]+)>?`")


class SphinxRoles(griffe.Extension):
    """Replaces roles in the docstring of every object."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Replace the roles of one docstring.

        :param obj: the object that was loaded.
        :param kwargs: what Griffe adds.
        """
        if obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(_as_code, obj.docstring.value)


def _as_code(role: re.Match[str]) -> str:
    return f"`{role['name'].rpartition('.')[2]}`"
