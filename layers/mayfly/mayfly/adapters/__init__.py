"""The ports of Mayfly over the real world: AWS through boto3, Buildkite through requests."""
