"""Operators' lines for the agent's own configuration file, checked name by name.

The agent ignores names that it does not know, so a misspelt restriction would protect nothing;
and it drops `export` before a name, so `exporttoken` sets the token (both seen in cliconfig/file.go
of buildkite-agent 3.83.1). Hence a list of what is allowed, and no list of what is forbidden.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
"""Names of buildkite-agent 3.83 to 4.0 that do not touch what Mayfly promises."""

_PROOF = "Mayfly sets it for each job: the proof, and whose job it is, depend on it"
_PLACES = "Mayfly sets it: the check before each job and the job's clean end depend on these places"
_ONE_JOB = "an instance runs exactly one job and leaves by Mayfly's rules"
_NO_METADATA = "the agent cannot reach the instance's metadata; Mayfly gives the tags that it knows"
_SECRETS = "it writes tokens or the job's own output where Mayfly keeps last words"
_START = "it changes how the agent starts a job and its hooks, and with that Mayfly's own check"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("token", "acquire-job", "endpoint", "name", "queue", "tags"), _PROOF),
    **dict.fromkeys(("meta-data", "config"), _PROOF),
    **dict.fromkeys(("hooks-path", "build-path", "plugins-path", "sockets-path"), _PLACES),
    **dict.fromkeys(("job-context-dir", "bootstrap-script"), _PLACES),
    "additional-hooks-paths": "the bootstrap script puts its hooks into $MAYFLY_HOOKS_DIR",
    **dict.fromkeys(("spawn", "spawn-per-cpu", "spawn-with-priority", "ping-mode"), _ONE_JOB),
    **dict.fromkeys(("disconnect-after-job", "disconnect-after-job-timeout"), _ONE_JOB),
    **dict.fromkeys(("disconnect-after-idle-timeout", "disconnect-after-uptime"), _ONE_JOB),
    "reflect-exit-status": "the agent's exit status tells Mayfly whether the job was taken",
    **dict.fromkeys(("tags-from-host", "tags-from-ec2-meta-data", "tags-from-ec2"), _NO_METADATA),
    **dict.fromkeys(("tags-from-ec2-tags", "tags-from-ec2-meta-data-paths"), _NO_METADATA),
    **dict.fromkeys(("wait-for-ec2-tags-timeout", "fail-on-missing-tags"), _NO_METADATA),
    "wait-for-ec2-meta-data-timeout": _NO_METADATA,
    **dict.fromkeys(("debug-http", "debug-signing", "write-job-logs-to-stdout"), _SECRETS),
    **dict.fromkeys(("hooks-shell", "experiment", "kubernetes-exec"), _START),
}
"""Names that people will try, and why each is refused."""

_LINE = re.compile(r"(?P<name>[a-z0-9-]+)\s*=\s*(?P<value>.+)")


def parse_agent_settings(text: str) -> str:
    """The lines in their canonical form, `name=value`; comments and empty lines are dropped.

    Raises ValueError that names the line and the name at fault, and never a value.
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
        if name in REFUSED:
            raise ValueError(f"line {number}: {name} cannot be set: {REFUSED[name]}")
        if name not in ALLOWED:
            raise ValueError(f"line {number}: {name} is no setting that Mayfly knows to be safe")
        if name in found:
            raise ValueError(f"line {number}: {name} stands twice")
        found[name] = match["value"]
    return "\n".join(f"{name}={value}" for name, value in found.items())
