"""Replaces a queue's instances, and tells beforehand how many, how, and at what cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from mayfly.provision.pool import REPLACE_AT_ONCE
from mayfly.records.states import InstanceState, Supply
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.queues import live_queue
from mayfly_cli.operations.reading import QueueView, newest_first, read_queue
from mayfly_cli.operations.screen import Document, line
from mayfly_cli.operations.words import count, lasted
from mayfly_cli.settings.changing import Changed, change
from mayfly_cli.settings.pools import price_of
from mayfly_cli.settings.price import Price

_AT_REST = frozenset({InstanceState.STOPPING, InstanceState.STOPPED})


@dataclass(frozen=True, slots=True)
class Recycled:
    """What a recycle replaces, by the records of the moment before it."""

    change: Changed
    idle: int
    """Instances that are ready for a job."""
    stopped: int
    coming: int
    """Instances that are on their way to ready."""
    running: int
    """Instances that hold a job; none of them gets another job."""
    boot_seconds: float | None
    """Seconds from launch to ready of the newest instance that was ready; None where none was."""
    usd: Decimal | None
    """What the successors cost while they boot; None where price or time is not known."""
    price: Price

    @property
    def needs_person(self) -> bool:
        """As of the change."""
        return self.change.needs_person

    @property
    def replaced(self) -> int:
        """Instances that get a successor."""
        return self.idle + self.stopped + self.coming

    @property
    def seconds(self) -> float | None:
        """About how long the replacement of idle instances takes, two at a time."""
        if self.boot_seconds is None:
            return None
        return self.boot_seconds * -(-self.replaced // REPLACE_AT_ONCE)

    def document(self) -> Document:
        """The change, then what it does."""
        parts = ((self.idle, "idle"), (self.stopped, "stopped"), (self.coming, "still booting"))
        named = ", ".join(f"{number} {name}" for number, name in parts if number)
        now = f"{count(self.replaced, 'instance')} to replace" + (f": {named}" if named else "")
        pace = f"; {REPLACE_AT_ONCE} at a time" if self.replaced > REPLACE_AT_ONCE else ""
        jobs = f"{count(self.running, 'instance')} with a job: ends after it, as always"
        found: Document = (*self.change.document(), line(f"{now}{pace}", indent=2))
        if self.running:
            found += (line(jobs, indent=2),)
        if self.replaced:
            found += (line(f"{self._time()}; {self._cost()}", indent=2),)
        return found

    def _time(self) -> str:
        if self.seconds is None:
            return "how long a boot takes is not known yet"
        took = lasted(timedelta(seconds=self.boot_seconds or 0))
        return f"about {lasted(timedelta(seconds=round(self.seconds)))}: a boot took {took} last"

    def _cost(self) -> str:
        if self.usd is None:
            return f"cost not known ({self.price.source})"
        return f"the boots cost about ${self.usd:.2f} ({self.price.source})"


def recycle(connection: Connection, queue: str) -> Recycled:
    """Set launch/generation to the time, which makes every instance of now outdated.

    Raises UsageError as `change`.
    """
    view = read_queue(connection.records, live_queue(connection.records, queue))
    price, boot = price_of(connection, view), boot_seconds(view)
    now = connection.clock()
    made = change(connection, queue, "launch/generation", f"{now:%Y-%m-%dT%H:%M:%SZ}")
    free = [each for each in view.instances if each.job is None]
    stopped = sum(each.state in _AT_REST for each in free)
    supply = [each.state.traits.supply for each in free]
    idle, coming = supply.count(Supply.READY), supply.count(Supply.COMING)
    replaced = idle + stopped + coming
    return Recycled(
        change=made,
        idle=idle,
        stopped=stopped,
        coming=coming,
        running=len(view.instances) - len(free),
        boot_seconds=boot,
        usd=None if boot is None else price.of(replaced, timedelta(seconds=boot)),
        price=price,
    )


def boot_seconds(view: QueueView) -> float | None:
    """Seconds from launch to ready of the newest instance that has been ready."""
    for each in newest_first(view.instances):
        ready = next((step.at for step in each.history if step.state == InstanceState.READY), None)
        if ready is not None:
            return round((ready - each.created).total_seconds(), 1)
    return None
