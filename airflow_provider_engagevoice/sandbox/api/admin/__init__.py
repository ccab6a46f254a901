"""Handlers for accounts, dial groups, campaigns and agents."""
