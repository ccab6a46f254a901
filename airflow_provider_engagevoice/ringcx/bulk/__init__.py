"""Bulk lead actions: chunks, checkpoints, verification and reports."""
