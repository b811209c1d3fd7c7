"""The notice at the start of a run under the stand-in: its limits, and the real agent's source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

LIMITS: Mapping[str, str] = {
    "plugins": "runs no plugins",
    "redaction": "does not redact secrets in logs",
    "commands": "offers only `meta-data`, `artifact`, `annotate`, `annotation`, `pipeline` to jobs",
    "yaml": "uploads pipelines in JSON, in YAML only where a machine's Python has PyYAML",
    "storage": "uploads artifacts to Buildkite's storage only, without braces in artifact paths",
    "host-keys": "does not learn the host keys of SSH servers by itself",
    "settings": "ignores unknown settings of the agent, such as `git-mirrors-path`",
}
"""By key: differences between the stand-in and the real agent."""
DOCS = "https://buildkite.com/docs/agent/v3/installation"
"""Buildkite's installation page, with a package for each system."""


def notice() -> Iterator[str]:
    """The lines of the notice."""
    yield "warning: jobs run under the lab's stand-in for buildkite-agent, not the real one:"
    for limit in LIMITS.values():
        yield f"warning: - {limit}"
    yield "warning: for the real agent install Buildkite's package, or give its path by --agent:"
    yield f"warning: {DOCS}"
