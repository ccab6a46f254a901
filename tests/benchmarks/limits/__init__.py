"""Throughput under RingCX's rate limits, compared with the theoretical minimum and other clients."""
