"""Handlers for authentication and tokens."""
