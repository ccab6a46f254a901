"""Shared state stores: in memory, in files and in Redis."""
