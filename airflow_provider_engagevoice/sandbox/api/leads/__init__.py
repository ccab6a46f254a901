"""Handlers for leads and do-not-call lists."""
