"""The page for people, and what guards it."""

from __future__ import annotations
