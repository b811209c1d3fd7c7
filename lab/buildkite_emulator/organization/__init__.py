"""Pipelines, clusters and queues of the organisation, for its users."""
