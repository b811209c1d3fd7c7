"""Mayfly's ports over the real services: AWS through boto3, Buildkite through requests."""
