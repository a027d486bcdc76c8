"""Measurements, not run with the tests: `python -m tests.benchmarks.NAME`."""
