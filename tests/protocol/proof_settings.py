"""Agent settings on which Mayfly's promises depend, independent of the product's own list."""

from __future__ import annotations

PROOF_SETTINGS = frozenset(
    {
        *("token", "acquire-job", "endpoint", "name", "queue", "tags", "meta-data", "config"),
        *("hooks-path", "additional-hooks-paths", "build-path", "plugins-path", "sockets-path"),
        *("bootstrap-script", "job-context-dir", "hooks-shell", "experiment", "kubernetes-exec"),
        *("spawn", "spawn-per-cpu", "spawn-with-priority", "ping-mode", "reflect-exit-status"),
        *("disconnect-after-job", "disconnect-after-idle-timeout", "disconnect-after-uptime"),
        *("debug-http", "debug-signing", "write-job-logs-to-stdout"),
    }
)
"""The agent takes each of these names in its configuration file."""
