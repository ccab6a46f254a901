"""Loads of leads: at once, and by file."""

from __future__ import annotations
