"""The function `dispatch`: opens claims for Buildkite's jobs and binds claims to instances."""
