"""Benchmarks of exports: throughput under RingCX's limits, and memory."""
