"""What is done to a real account, and asked of a real Buildkite: the modules behind `scripts/`."""
