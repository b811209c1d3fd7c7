"""Checks an account and a Buildkite cluster before the first deployment."""
