"""What can go wrong, named by what the caller must do about it."""

from __future__ import annotations

from typing import TypeAlias


class MayflyError(Exception):
    """Root of every error that Mayfly raises on purpose."""


class Transient(MayflyError):
    """It may work later: leave it to the next tick.

    `retry_after` is in seconds, where the other side said how long to wait.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NoCapacity(MayflyError):
    """EC2 has none of what was asked for: try another pool, or wait."""


class Conflict(MayflyError):
    """Somebody else was there first: read again, decide again."""


class NotFound(MayflyError):
    """The thing is gone: for a removal that is success."""


class Misconfigured(MayflyError):
    """No repetition will help: a person must change something. Stop and raise an alarm."""


Failure: TypeAlias = Transient | NoCapacity | Conflict | NotFound | Misconfigured
"""Every kind of MayflyError, for an exhaustive match."""
FAILURES = (Transient, NoCapacity, Conflict, NotFound, Misconfigured)
"""The same for `except`: mypy gives the caught error the type Failure."""


class Illegal(Exception):
    """A transition that no table allows: a defect in Mayfly itself.

    Not a MayflyError, so ticks never retry it.
    """
