"""Operators' lines for the agent's own configuration file, checked name by name.

The agent ignores unknown names, so a misspelt restriction would protect nothing. The agent also
drops `export` before a name, so `exporttoken` sets the token (both seen in cliconfig/file.go of
buildkite-agent 3.83.1). So Mayfly has a list of allowed names, not of forbidden ones.
"""

from __future__ import annotations

import re

from mayfly_protocol.agent_settings import refusal

_SAFE = """
    allowed-environment-variables allowed-plugins allowed-repositories artifact-upload-concurrency
    cancel-cleanup-timeout cancel-grace-period cancel-signal cancel-signal-timeout
    checkout-attempts checkout-override-mode debug disable-warnings-for enable-job-log-tmpfile
    enable-environment-variable-allowlist git-checkout-flags git-checkout-timeout git-clean-flags
    git-clone-flags git-clone-mirror-flags git-commit-verification git-fetch-flags
    git-lfs-enabled git-mirror-checkout-mode git-mirrors-lock-timeout git-mirrors-path
    git-mirrors-skip-update git-skip-fetch-existing-commits git-submodule-clone-config
    health-check-addr job-log-path log-format log-level metrics-datadog
    metrics-datadog-distributions metrics-datadog-host no-ansi-timestamps no-color no-command-eval
    no-feature-reporting no-git-submodules no-http2 no-local-hooks no-multipart-artifact-upload
    no-plugin-validation no-plugins no-pty no-ssh-keyscan plugins-always-clone-fresh priority
    redacted-vars shell signal-grace-period-seconds signing-aws-kms-key signing-jwks-file
    signing-jwks-key-id skip-checkout strict-single-hooks timestamp-lines trace-context-encoding
    trace-http tracing-backend tracing-propagate-traceparent tracing-service-name
    verification-failure-behavior verification-jwks-file
"""
ALLOWED = frozenset(_SAFE.split())
"""Names of buildkite-agent 3.83 to 4.0 that do not weaken Mayfly's promises."""

_LINE = re.compile(r"(?P<name>[a-z0-9-]+)\s*=\s*(?P<value>.+)")


def parse_agent_settings(text: str) -> str:
    """The lines in canonical form, `name=value`; comments and empty lines are omitted.

    Raises ValueError with the line number and the name at fault, never with a value: values may
    be secrets.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None or not stripped.isprintable():
            raise ValueError(f"line {number} is not name=value")
        name = match["name"]
        if why := refusal(name):
            raise ValueError(f"line {number}: {name} cannot be set: {why}")
        if name not in ALLOWED:
            raise ValueError(f"line {number}: {name} is not in Mayfly's list of safe settings")
        if name in found:
            raise ValueError(f"line {number}: {name} is set twice")
        found[name] = match["value"]
    return "\n".join(f"{name}={value}" for name, value in found.items())
