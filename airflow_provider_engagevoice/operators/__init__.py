"""Operators that act on RingCX leads."""
