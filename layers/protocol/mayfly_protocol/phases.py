"""The phases of an instance that its host reports to the control plane."""

from __future__ import annotations

from enum import Enum


class Phase(str, Enum):
    """The phase that a host has reached. The value is the word in the report."""

    BOOTING = "booting"
    """The supervisor runs. First report in the bootstrap row."""
    BOOTSTRAPPED = "bootstrapped"
    """Set-up is done and left no process and no credentials: the profile may be replaced."""
    SANDBOXED = "sandboxed"
    """The sandbox proof: first report in the sandbox row."""
    RUNNING = "running"
    """The agent has started, for the assigned job."""
    DONE = "done"
    """The agent has ended. Its exit code says little about the job: Buildkite knows the outcome."""
    FAILED = "failed"
    """The host gave up and reports the reason, in the row that its current role may write."""

    def __str__(self) -> str:
        """The value. Without this method, f-strings differ between Python 3.9 and 3.12."""
        return str(self.value)
