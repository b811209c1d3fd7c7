"""The phases of an instance that the control plane hears of."""

from __future__ import annotations

from enum import Enum


class Phase(str, Enum):
    """What a host reports that it has reached. Its text is the word on the wire."""

    BOOTING = "booting"
    """The supervisor runs; the first write into the bootstrap row."""
    BOOTSTRAPPED = "bootstrapped"
    """Set-up is done and nothing of it is left; the profile may be replaced."""
    SANDBOXED = "sandboxed"
    """The proof: the first write into the sandbox row."""
    RUNNING = "running"
    """The agent has started, for the job that was assigned."""
    DONE = "done"
    """The agent has ended, with an exit code that says little about the job."""
    FAILED = "failed"
    """The host gave up, with its reason; in whichever row it can write."""

    def __str__(self) -> str:
        """The word. Without this, f-strings of Python 3.12 and 3.9 differ."""
        return str(self.value)
