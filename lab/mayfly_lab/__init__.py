"""Mayfly on one machine: a local AWS, a Buildkite emulator and machines that boot."""
