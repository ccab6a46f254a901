"""Leads: search, actions, updates, do-not-call, and the dialer that works on them."""

from __future__ import annotations
