"""Defaults of public arguments, which operators, the hook and the client share."""

from __future__ import annotations

CHUNK_SIZE = 500
"""Number of ids or rows in one request. Public programs use 20 to 1,000 (observed)."""

MAX_UPDATES = 1500
"""Most leads that one task updates: what RingCX's limit of 150 updates a minute allows in ten minutes."""
