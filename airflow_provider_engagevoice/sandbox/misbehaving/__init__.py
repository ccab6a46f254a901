"""What goes wrong on demand."""

from __future__ import annotations
