"""How an instance fails: with a sentence that a developer understands, and then it powers off."""

from __future__ import annotations


class HostFailure(Exception):
    """The host cannot go on. Whoever catches it reports `reason` and `words`, then powers off.

    `reason` is one sentence; `words` are the last lines of what the failing step had to say.
    """

    def __init__(self, reason: str, words: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.words = words


class GoingDown(HostFailure):
    """The machine is being switched off by somebody else."""


class CommandFailed(HostFailure):
    """A command that changes the machine did not succeed, or not in time."""
