"""The function `dispatch`: Buildkite's jobs become claims, and claims get instances."""
