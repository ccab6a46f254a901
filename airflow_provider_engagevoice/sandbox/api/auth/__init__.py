"""Handlers for signing in and for tokens."""
