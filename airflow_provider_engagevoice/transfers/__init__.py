"""Transfers: leads from other systems into RingCX."""
