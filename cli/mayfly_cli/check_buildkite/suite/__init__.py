"""Mayfly's expectations of Buildkite's APIs, as tests: run against Buildkite and the emulator."""
