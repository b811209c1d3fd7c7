"""Empties a queue: no new work, and no warm pool; running jobs go on to their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.errors import MayflyError
from mayfly.records.model import QueueRecord
from mayfly.records.states import OPEN_INSTANCES
from mayfly_cli.ends import Stopped, UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import Records, configured
from mayfly_cli.operations.refusals import why_not_asked
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
    resumed: bool = False
    """Whether somebody has ended the pause during the wait."""

    @property
    def drained(self) -> bool:
        """Whether no instance of the queue is left."""
        return self.running == self.others == 0

    @property
    def needs_person(self) -> bool:
        """Whether the pause is not in force, or was ended by somebody else."""
        return self.resumed or (self.change is not None and self.change.needs_person)

    def document(self) -> Document:
        """One line; before it the pause, after it how to go on."""
        before = () if self.change is None else self.change.document()
        if self.resumed:
            said = Span("not drained", Mood.BAD), ": somebody has resumed the queue meanwhile"
            return (*before, line(f"{self.queue}: ", *said))
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
    The wait ends early when somebody resumes the queue. Raises UsageError and Stopped with what was
    done: the queue is paused.
    """
    made = change(connection, queue, "paused", "true")
    try:
        return _counted_down(connection, queue, made, wait=wait, tell=tell)
    except KeyboardInterrupt as error:
        raise Stopped(f"stopped; queue {queue} stays paused: mayfly resume {queue}") from error
    except (ClientError, BotoCoreError, MayflyError) as error:
        why = why_not_asked(error, connection.stack)
        raise UsageError(f"{queue} is paused, but its instances are not counted: {why}") from error


def _counted_down(
    connection: Connection,
    queue: str,
    made: Changed,
    *,
    wait: bool,
    tell: Callable[[Drained], None],
) -> Drained:
    found = left(connection.records, connection.stack, queue, connection.clock(), made)
    told: Drained | None = None
    while wait and not found.drained:
        if told is None or (found.running, found.others) != (told.running, told.others):
            tell(found)
            told = found
        connection.sleep(PAUSE)
        now = connection.clock()
        found = left(connection.records, connection.stack, queue, now)
        if made.in_force and _is_resumed(connection.records.queue(queue)):
            return replace(found, resumed=True)
    return found


def _is_resumed(record: QueueRecord | None) -> bool:
    """Whether the queue takes work again; a queue that is deleted takes none."""
    config = configured(record) if record is not None and record.active else None
    return config is not None and not config.paused


def left(
    records: Records, stack: str, queue: str, now: datetime, made: Changed | None = None
) -> Drained:
    """What is left of the queue's instances."""
    live = records.instances(queue, OPEN_INSTANCES)
    running = [each for each in live if each.job is not None]
    longest = max((now - each.since for each in running), default=None)
    return Drained(stack, queue, len(running), longest, len(live) - len(running), made)
