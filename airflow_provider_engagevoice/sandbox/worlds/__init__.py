"""Where a sandbox gets its data from: made up, or a file of somebody's own."""

from __future__ import annotations
