"""Benchmarks of syncs: cost of planning, throughput of applying, and accidents."""
