"""Buildkite's pipeline YAML, read as strictly as Buildkite reads it.

`definition` is the entry point: it reads text, or the JSON of a `pipeline upload`, into `steps`.
Invalid input is refused, in Buildkite's words where a source shows them. Valid input that the
emulator does not support is refused with a reason, never ignored.
"""
