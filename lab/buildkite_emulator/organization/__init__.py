"""What a user sets up at Buildkite: pipelines, clusters and their queues; and who uses them."""
