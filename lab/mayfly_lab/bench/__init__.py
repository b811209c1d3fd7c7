"""Measures how long a job waits on a hot machine, phase by phase."""
