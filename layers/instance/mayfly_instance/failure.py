"""Failures of a host: each has a reason that a developer understands and ends in power-off."""

from __future__ import annotations


class HostFailure(Exception):
    """The host cannot go on: its supervisor reports `reason` and `words`, then powers off.

    `reason` is one sentence; `words` are the last lines of the failed step's output.
    """

    def __init__(self, reason: str, words: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.words = words


class GoingDown(Exception):
    """The machine is shutting down, by an order from outside the supervisor.

    Raised once, wherever the supervisor is. A GoingDown is no HostFailure: a caller that waits for
    the end of a failure, or only notes a failure, must not catch a GoingDown with it.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CommandFailed(HostFailure):
    """A command could not start, failed or took too long."""
