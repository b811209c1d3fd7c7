"""The standing of a queue: all reasons for which its work does not move at present. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.records.why import Why, in_order, since_before

DISPATCH, PROVISION = "dispatch", "provision"
"""The functions that have something to say of queues."""
MOST_REASONS = 30
"""Reasons in a standing; the gravest ones are kept."""
MOST_LEFT = 20
"""Jobs left alone that a standing names; `left_total` has their number."""
REPEAT = timedelta(minutes=1)
"""How often a standing is written while there is something to say."""
REPEAT_QUIET = timedelta(hours=1)
"""How often a standing is written while there is nothing to say: its row expires in a day."""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A listed job that the queue does not take, and why."""

    job: str
    pipeline: str
    build: int
    step: str
    why: Why
    runnable_at: datetime | None = None
    """Start of the job's runnable time, by Buildkite's list; None in a row of an earlier Mayfly."""

    @property
    def waits_since(self) -> datetime:
        """Since when the job waits, as far as is known."""
        return self.runnable_at or self.why.since


@dataclass(frozen=True, slots=True)
class Target:
    """How many warm instances a queue keeps at present, and why so many."""

    value: int
    reason: str = ""
    """What sets the value: an entry of the schedule, or `default`."""
    next_change: datetime | None = None
    """When the value changes next; None where no change is known."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one function has to say of one queue. Each function writes its own alone."""

    queue: str
    function: str
    """`DISPATCH` or `PROVISION`."""
    at: datetime
    """When the function found these reasons."""
    reasons: tuple[Why, ...] = ()
    """The gravest first."""
    left: tuple[LeftAlone, ...] = ()
    left_total: int = 0
    held: int = 0
    """Jobs left alone because a parameter pauses the queue; they count in `left_total` too."""
    waiting: int = 0
    """Jobs that wait, with a claim or listed without one; left ones are not counted."""
    oldest: datetime | None = None
    """Since when the oldest waiting job has been runnable; None without a waiting job."""
    hot: Target | None = None
    """Target of hot instances, in the standing of `provision`."""
    version: int = 0

    @property
    def open(self) -> bool:
        """Always True: operators see all standings until their rows expire."""
        return True

    @property
    def says_something(self) -> bool:
        """Whether there is something to say."""
        return bool(self.reasons or self.left or self.waiting)


def standing_after(found: Standing, before: Standing | None) -> Standing:
    """The standing that was found, in order, with the times since which its reasons stand.

    `before` is the last one that was written; the result replaces it.
    """
    reasons = in_order(found.reasons)[:MOST_REASONS]
    left = found.left[:MOST_LEFT]
    if before is not None:
        known = {each.job: each.why for each in before.left}
        reasons = tuple(since_before(each, before.reasons) for each in reasons)
        left = tuple(
            replace(each, why=since_before(each.why, [known.get(each.job)])) for each in left
        )
    version = before.version if before is not None else 0
    return replace(found, reasons=reasons, left=left, version=version)


def is_due(found: Standing, before: Standing | None, soonest: timedelta = timedelta(0)) -> bool:
    """Whether a standing is to be written: for what it says anew, or because its turn has come.

    A next try is news, and EC2's back-off bounds how often it changes. Texts and counts change all
    the time: they are written in turn alone. `soonest` is the shortest time between two writes, for
    a function that ticks several times a second.
    """
    if before is None:
        return True
    turn = REPEAT if found.says_something or before.says_something else REPEAT_QUIET
    lasted = found.at - before.at
    return lasted >= turn or (lasted >= soonest and _said(found) != _said(before))


def _said(standing: Standing) -> object:
    return (
        {(*each.key, each.next_try) for each in standing.reasons},
        {(each.job, *each.why.key) for each in standing.left},
        standing.hot,
    )
