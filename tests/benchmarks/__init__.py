"""Benchmarks of the sandbox and of the client; run by `make bench` and `make bench-limits`."""
