"""Buildkite secrets: the cluster's key-value store, with a policy on each key."""
