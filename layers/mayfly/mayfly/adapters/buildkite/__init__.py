"""The port over Buildkite's Stacks API."""
