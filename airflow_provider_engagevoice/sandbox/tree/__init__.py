"""Accounts, dial groups, campaigns, agents and what hangs on them."""

from __future__ import annotations
