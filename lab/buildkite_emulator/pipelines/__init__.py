"""Buildkite's own YAML, read as strictly as Buildkite reads it.

`definition` is the way in: text or the JSON of a `pipeline upload` in, `steps` out. What Buildkite
would refuse is refused with its words where a source shows them; what the lab does not do is
refused with a reason, never ignored.
"""
