"""Tests of syncs against the sandbox."""
