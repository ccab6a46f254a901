"""Handlers of the RingCX API."""
