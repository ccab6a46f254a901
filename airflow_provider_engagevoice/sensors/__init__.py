"""Sensors that wait for something in RingCX."""
