"""What Mayfly relies on of Buildkite's APIs, as tests: against Buildkite itself, and in the lab."""
