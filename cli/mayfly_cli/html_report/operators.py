"""What a report for operators says beside single jobs: hours of queues, launches, cost, changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar

HOUR = timedelta(hours=1)
_APART = 7.0
"""Percent of the axis that a label of marks takes, on a wide screen."""


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of one queue."""

    begins: datetime
    """UTC, on the hour."""
    waiting: int
    """Most jobs that waited at once."""
    hot: int | None = None
    """Fewest hot instances; None when nobody knows."""
    target: int | None = None
    """The count of hot instances that was in force; None when nobody knows."""


@dataclass(frozen=True, slots=True)
class QueueHours:
    """The hours of one queue, in order; hours may be missing."""

    queue: str
    hours: tuple[Hour, ...]

    @property
    def most(self) -> int:
        """The largest count of any hour, at least 1."""
        return max(1, *(max(h.waiting, h.hot or 0, h.target or 0) for h in self.hours), 1)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a parameter, or of a stack."""

    at: datetime
    who: str
    """ARN; empty when nobody knows."""
    what: str
    old: str
    new: str

    @property
    def person(self) -> str:
        """The last part of the ARN, which is the name of a user or of a session."""
        return self.who.rpartition("/")[2] or "unknown"


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that a chart of hours shows."""

    begins: datetime
    ends: datetime

    def has(self, at: datetime) -> bool:
        """Whether the instant is on the axis."""
        return self.begins <= at <= self.ends

    def x(self, at: datetime) -> float:
        """The place of an instant, in percent."""
        return round(100 * ((at - self.begins) / (self.ends - self.begins)), 3)


@dataclass(frozen=True, slots=True)
class Hours:
    """Queues by hour, with changes as marks on the axis of time."""

    template: ClassVar[str] = "hours"
    heading: ClassVar[str] = "Queues by hour"
    queues: tuple[QueueHours, ...]
    changes: tuple[Change, ...] = ()

    @property
    def axis(self) -> Axis:
        """From the first hour of all queues to the end of the last. ValueError without an hour."""
        every = [hour.begins for queue in self.queues for hour in queue.hours]
        return Axis(min(every), max(every) + HOUR)

    @property
    def marks(self) -> tuple[Change, ...]:
        """The changes within the axis."""
        axis = self.axis
        return tuple(each for each in self.changes if axis.has(each.at))

    @property
    def labels(self) -> tuple[tuple[float, str], ...]:
        """Places of the marks' labels in percent, and their texts: `4`, or `4-9` for a crowd."""
        axis, crowds = self.axis, list[tuple[float, int, int]]()
        for number, change in enumerate(self.changes, 1):
            if not axis.has(change.at):
                continue
            at = axis.x(change.at)
            if crowds and at - crowds[-1][0] < _APART:
                begin, first, _ = crowds[-1]
                crowds[-1] = (begin, first, number)
            else:
                crowds.append((at, number, number))
        return tuple(
            (at, str(first) if first == last else f"{first}-{last}") for at, first, last in crowds
        )


@dataclass(frozen=True, slots=True)
class Cause:
    """Launches that failed for one cause."""

    text: str
    queue: str
    launches: int


@dataclass(frozen=True, slots=True)
class Launches:
    """Launches that failed, by cause, most first."""

    template: ClassVar[str] = "launches"
    heading: ClassVar[str] = "Failed launches"
    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the instances of one pipeline cost."""

    pipeline: str
    jobs: int
    hours: float
    usd: Decimal | None
    """None when nobody knows the price."""
    spot: float
    """Share of the hours on spot instances, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost by pipeline, most first, and of boots and waiting instances."""

    template: ClassVar[str] = "costs"
    heading: ClassVar[str] = "Cost by pipeline"
    rows: tuple[Cost, ...]
    idle_usd: Decimal
    prices: str
    """Which prices these are, in a sentence."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What was changed, in order of time."""

    template: ClassVar[str] = "changes"
    heading: ClassVar[str] = "Changes"
    changes: tuple[Change, ...]
