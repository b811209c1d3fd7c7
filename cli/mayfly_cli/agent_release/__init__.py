"""`mayfly agent-release`: the parameters that pin a release of buildkite-agent."""
