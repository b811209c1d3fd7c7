"""Operators' lines for the agent's own configuration file, checked name by name.

The agent ignores unknown names, so a misspelt restriction would protect nothing. The agent also
drops `export` before a name, so `exporttoken` sets the token (both seen in cliconfig/file.go of
buildkite-agent 3.83.1). So a name passes if it is known to be harmless, or if it is well-formed,
not refused and not close to a known name; the host then asks the installed agent for each name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping

from mayfly_protocol.grace import grace_seconds

_PROOF = "Mayfly sets it for each job: the sandbox proof and the choice of the job depend on it"
_PLACES = "Mayfly sets it: the check before each job and the job's clean end depend on these paths"
_ONE_JOB = "an instance runs exactly one job, and Mayfly decides when it ends"
_NO_METADATA = "the agent cannot reach the instance's metadata; Mayfly sets the tags"
_SECRETS = "it writes tokens or the job's own output into the log that Mayfly keeps as last words"
_START = "it changes how the agent starts jobs and hooks, and so bypasses Mayfly's check"
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
"""Reason for the refusal, by name of a setting that operators are likely to try."""

_FAMILIES = (
    ("spawn", _ONE_JOB),
    ("disconnect-", _ONE_JOB),
    ("tags", _NO_METADATA),
    ("meta-data", _PROOF),
    ("wait-for-", _NO_METADATA),
    ("debug-", _SECRETS),
)
"""Prefixes of refused names, with the reason: later agents may have more settings of each kind."""
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("token", "tokens", "acquire", "endpoint", "config"), _PROOF),
    **dict.fromkeys(("hook", "hooks", "bootstrap", "executor", "docker", "kubernetes"), _START),
    **dict.fromkeys(("experiment", "experiments"), _START),
    "stdout": _SECRETS,
}
"""Reason for the refusal, by word of a name that is not in KNOWN."""
_EXPORT = re.compile(r"export\s*")
_LINE = re.compile(r"(?P<name>[a-z0-9-]+)\s*=\s*(?P<value>.+)")
# `allowed-repository` is 0.89 close to `allowed-repositories`, `git-clone-flags` 0.87 to
# `git-clean-flags`.
_CLOSE = 0.88


_KNOWN = """
    allowed-environment-variables allowed-plugins allowed-repositories
    artifact-upload-concurrency cancel-cleanup-timeout cancel-grace-period cancel-signal
    cancel-signal-timeout checkout-attempts checkout-override-mode debug disable-warnings-for
    enable-environment-variable-allowlist enable-job-log-tmpfile git-checkout-flags
    git-checkout-timeout git-clean-flags git-clone-flags git-clone-mirror-flags
    git-commit-verification git-fetch-flags git-lfs-enabled git-mirror-checkout-mode
    git-mirrors-lock-timeout git-mirrors-path git-mirrors-skip-update
    git-skip-fetch-existing-commits git-sparse-checkout-mode git-sparse-checkout-paths
    git-submodule-clone-config health-check-addr job-log-path job-logs-otlp log-format log-level
    metrics-datadog metrics-datadog-distributions metrics-datadog-host no-ansi-timestamps
    no-color no-command-eval no-feature-reporting no-git-submodules no-http2 no-local-hooks
    no-multipart-artifact-upload no-plugin-validation no-plugins no-pty no-ssh-keyscan
    opentelemetry-metrics opentelemetry-tracing plugins-always-clone-fresh priority
    redacted-vars shell signal-grace-period-seconds signing-aws-kms-key signing-gcp-kms-key
    signing-jwks-file signing-jwks-key-id skip-checkout strict-single-hooks
    telemetry-service-name timestamp-lines trace-context-encoding trace-http tracing-backend
    tracing-propagate-traceparent tracing-service-name verification-failure-behavior
    verification-jwks-file
"""
KNOWN = frozenset(_KNOWN.split())
"""Names of buildkite-agent 3.83 to 4.0 that do not weaken Mayfly's promises."""


def refusal(name: str) -> str:
    """The reason why this setting is refused; empty for a setting that is allowed here.

    The agent drops `export` before a name, so `exporttoken` is `token` (cliconfig/file.go of
    buildkite-agent 3.83.1).
    """
    exported = _EXPORT.match(name)
    bare = name[exported.end() :] if exported else name
    if bare in KNOWN:
        return ""
    families = (why for beginning, why in _FAMILIES if bare.startswith(beginning))
    words = (_WORDS[word] for word in bare.split("-") if word in _WORDS)
    return REFUSED.get(bare) or next(families, "") or next(words, "")


def parse_agent_settings(text: str) -> str:
    """The lines in canonical form, `name=value`; comments and empty lines are omitted.

    Raises ValueError with the line number and the name at fault, never with a value: values may
    be secrets. Raises ValueError also for grace periods that `grace_seconds` refuses.
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
        if name not in KNOWN and (close := difflib.get_close_matches(name, KNOWN, 1, _CLOSE)):
            raise ValueError(f"line {number}: {name} is unknown: did you mean {close[0]}?")
        if name in found:
            raise ValueError(f"line {number}: {name} is set twice")
        found[name] = match["value"]
    settings = "\n".join(f"{name}={value}" for name, value in found.items())
    grace_seconds(settings)
    return settings


def names(settings: str) -> tuple[str, ...]:
    """The names in lines of canonical form, in their order."""
    return tuple(line.partition("=")[0].strip() for line in settings.splitlines())
