"""Runs the emulator's contract suite against Buildkite itself."""
