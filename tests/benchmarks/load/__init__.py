"""Benchmarks of loads: throughput under RingCX's limits, memory, and safety under faults."""
