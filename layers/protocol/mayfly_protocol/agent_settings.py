"""Agent settings that Mayfly refuses, in a queue's parameter and in an assignment.

The control plane passes only settings that are known to be harmless. This list gives the reasons
for refusals and is the host's last line of defence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
)
"""Prefixes of refused names, with the reason: later agents may have more settings of each kind."""
_EXPORT = re.compile(r"export\s*")


def refusal(name: str) -> str:
    """The reason why this setting is refused; empty for a setting that is allowed here.

    The agent drops `export` before a name, so `exporttoken` is `token` (cliconfig/file.go of
    buildkite-agent 3.83.1).
    """
    exported = _EXPORT.match(name)
    bare = name[exported.end() :] if exported else name
    families = (why for beginning, why in _FAMILIES if bare.startswith(beginning))
    return REFUSED.get(bare) or next(families, "")
