"""Handlers for loading leads."""
