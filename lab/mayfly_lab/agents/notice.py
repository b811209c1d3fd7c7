"""What people are told at the start of a run whose jobs the stand-in runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

LIMITS: Mapping[str, str] = {
    "plugins": "runs no plugins",
    "redaction": "does not redact secrets in logs",
    "commands": "has for jobs `meta-data`, `artifact`, `annotate`, `annotation`, `pipeline` alone",
    "yaml": "uploads pipelines in JSON, in YAML only where a machine's Python has PyYAML",
    "storage": "keeps artifacts with Buildkite alone, and matches no braces in their paths",
    "host-keys": "does not learn the keys of SSH servers by itself",
    "settings": "ignores settings of the agent that it does not know, as `git-mirrors-path`",
}
"""By a word for it: what the stand-in does otherwise than the agent, or not at all."""
DOCS = "https://buildkite.com/docs/agent/v3/installation"
"""Buildkite's page of packages for each system."""


def notice() -> Iterator[str]:
    """The lines of the notice."""
    yield "warning: jobs run under the lab's stand-in for buildkite-agent, not the real one. It"
    for limit in LIMITS.values():
        yield f"warning: - {limit}"
    yield "warning: for the real one install Buildkite's package, or name the program by --agent:"
    yield f"warning: {DOCS}"
