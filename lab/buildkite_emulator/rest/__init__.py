"""The REST API around builds, jobs and agents."""
