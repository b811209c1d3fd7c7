"""Artifacts: their records, their bytes, and the search by path."""
