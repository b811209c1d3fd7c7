"""Mayfly's errors, named by the caller's duty."""

from __future__ import annotations

from typing import TypeAlias


class MayflyError(Exception):
    """Root of every error that Mayfly raises on purpose."""


class Transient(MayflyError):
    """The call may succeed later: leave the work to the next tick.

    `retry_after` is in seconds; None when the service named no wait.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoCapacity(MayflyError):
    """EC2 has no capacity for the request: try another pool, or wait."""

    def __init__(self, message: str, dry: frozenset[str] = frozenset()) -> None:
        """Take the message, and the pools of spot, as `type/subnet`, that EC2 named."""
        super().__init__(message)
        self.dry = dry


class Conflict(MayflyError):
    """Another function, tick or person was first: read again, decide again."""


class NotFound(MayflyError):
    """The resource is gone: a removal counts as done."""


class Misconfigured(MayflyError):
    """A repetition cannot help: a person must change something. Stop and raise an alarm."""


class TokenRefused(Misconfigured):
    """There is no agent token that Buildkite accepts, so every call to Buildkite is refused.

    The text names no call and no queue: the refusal is one problem of the whole stack.
    """


class ForeignStack(Misconfigured):
    """The stack key at Buildkite belongs to another owner, whose jobs must be left alone."""


Failure: TypeAlias = Transient | NoCapacity | Conflict | NotFound | Misconfigured
"""Every kind of MayflyError, for an exhaustive match."""
FAILURES = (Transient, NoCapacity, Conflict, NotFound, Misconfigured)
"""The members of Failure for `except`: mypy gives the caught error the type Failure."""


class Illegal(Exception):
    """A transition that the states' tables do not allow: a defect in Mayfly itself.

    Not a MayflyError, so ticks never retry it.
    """
