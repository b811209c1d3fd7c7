"""What people are told at the start of a run whose jobs the stand-in runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

LIMITS: Mapping[str, str] = {
    "plugins": "runs no plugins",
    "redaction": "does not redact secrets in logs",
    "commands": "has the commands `meta-data`, `artifact`, `annotate`, `annotation` and `pipeline`"
    " for jobs, and none of `step`, `oidc`, `secret`, `env`, `lock` and `redactor`",
    "yaml": "uploads pipelines in JSON, and in YAML only where a machine's Python has PyYAML",
    "storage": "keeps artifacts with Buildkite alone, and matches no braces in their paths",
    "host-keys": "does not learn the keys of SSH servers by itself",
    "settings": "ignores settings of the agent that it does not know, as `git-mirrors-path`",
}
"""By a word for it: how the stand-in falls short of the agent; read `the stand-in …`."""
DOCS = "https://buildkite.com/docs/agent/v3/installation"
"""Buildkite's page of packages for each system."""


def notice() -> Iterator[str]:
    """The lines of the notice."""
    yield "warning: jobs run under the lab's stand-in for buildkite-agent, not under the real one"
    for limit in LIMITS.values():
        yield f"warning: the stand-in {limit}"
    yield f"warning: for the real one install Buildkite's package, or name it by --agent: {DOCS}"
