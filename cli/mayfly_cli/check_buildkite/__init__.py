"""Holds Buildkite itself to what the emulator promises."""
