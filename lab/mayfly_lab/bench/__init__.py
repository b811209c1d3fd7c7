"""Measures the hot path: how long a job waits for a machine that is ready, and where."""
