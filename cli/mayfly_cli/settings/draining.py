"""Empties a queue: no new work, and no warm pool; running jobs go on to their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.states import OPEN_INSTANCES
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import Records
from mayfly_cli.operations.screen import Document, Hint, Mood, Span, line
from mayfly_cli.operations.words import count, lasted
from mayfly_cli.settings.changing import Changed, change

PAUSE = 2.0
"""Seconds between two looks with --wait."""


@dataclass(frozen=True, slots=True)
class Drained:
    """How far a queue is emptied."""

    stack: str
    queue: str
    running: int
    longest: timedelta | None
    """How long the longest of the running jobs has run."""
    others: int
    """Instances without a job that have not ended yet."""
    change: Changed | None = None

    @property
    def drained(self) -> bool:
        """Whether no instance of the queue is left."""
        return self.running == self.others == 0

    @property
    def needs_person(self) -> bool:
        """Whether the pause is not in force."""
        return self.change is not None and self.change.needs_person

    def document(self) -> Document:
        """One line; before it the pause, after it how to go on."""
        before = () if self.change is None else self.change.document()
        if self.drained:
            state = line(f"{self.queue}: ", Span("drained", Mood.GOOD))
            return (*before, state, Hint(f"mayfly resume {self.queue}"))
        longest = "" if self.longest is None else f", longest {lasted(self.longest)}"
        idle = f", {count(self.others, 'instance')} without a job" if self.others else ""
        return (*before, line(f"{self.queue}: {self.running} running{longest}{idle}"))


def drain(
    connection: Connection, queue: str, *, wait: bool, tell: Callable[[Drained], None]
) -> Drained:
    """Pause the queue; with `wait`, look again until no instance is left, and tell each change.

    The pool's parameter stays as it is: a paused queue has no pool, and has it again afterwards.
    """
    made = change(connection, queue, "paused", "true")
    found = left(connection.records, connection.stack, queue, connection.clock(), made)
    while wait and not found.drained:
        tell(found)
        connection.sleep(PAUSE)
        found = left(connection.records, connection.stack, queue, connection.clock())
    return found


def left(
    records: Records, stack: str, queue: str, now: datetime, made: Changed | None = None
) -> Drained:
    """What is left of the queue's instances."""
    live = records.instances(queue, OPEN_INSTANCES)
    running = [each for each in live if each.job is not None]
    longest = max((now - each.since for each in running), default=None)
    return Drained(stack, queue, len(running), longest, len(live) - len(running), made)
