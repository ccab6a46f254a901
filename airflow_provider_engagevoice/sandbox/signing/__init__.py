"""Sign-in, and the tokens that come of it."""

from __future__ import annotations
