"""The size of a pool, for good or until a time that is written into the parameter itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.states import Supply, instance_states
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.queues import live_queue
from mayfly_cli.operations.screen import Document, line
from mayfly_cli.operations.words import at, count
from mayfly_cli.settings.changing import Changed, change

_SUPPLY = instance_states(lambda instance: instance.supply is not Supply.NONE)
_UNTIL = re.compile(r"\s*until\s")


@dataclass(frozen=True, slots=True)
class Pooled:
    """A change of a pool."""

    change: Changed
    size: int
    until: datetime | None
    then: str
    """What holds after the end; empty without an end."""
    now: datetime
    launches: int
    """Instances that are missing until the pool has its size."""

    @property
    def needs_person(self) -> bool:
        """As of the change."""
        return self.change.needs_person

    def document(self) -> Document:
        """The change in one line, then as for `set`."""
        end = "" if self.until is None else f" until {at(self.until, self.now)}, then {self.then}"
        coming = count(self.launches, "launch", "launches")
        return (
            line(f"{self.change.queue}: pool {self.size}{end} ({coming})"),
            *self.change.document(),
        )


def schedule_text(present: str, size: int, until: datetime) -> str:
    """The schedule with this size until the time, and the present one after it.

    A former `until` is replaced: the last command counts.
    """
    return f"{_without_until(present)}; until {until:%Y-%m-%dT%H:%MZ} = {size}"


def pool(
    connection: Connection, queue: str, size: int, lasting: timedelta | None, *, stopped: bool
) -> Pooled:
    """Give the queue's pool this size, for good or for a while.

    Raises:
        UsageError: as `change`; and for a pool with a schedule, where no time is given.
    """
    live_queue(connection.records, queue)
    name = "pool/stopped" if stopped else "pool/hot"
    present = connection.parameters.one(queue, name)
    text = present.value.strip() if present is not None else "0"
    now, until, value = connection.clock(), None, str(size)
    if lasting is not None:
        until = _whole_minute(now + lasting)
        value = schedule_text(text, size, until)
    elif ";" in text:
        raise UsageError(
            f'{name} is a schedule, "{text}": give --for, or replace it: '
            f"mayfly set {queue} {name} {size}"
        )
    supplied = len(connection.records.instances(queue, _SUPPLY))
    made = change(connection, queue, name, value, was=None if present is None else present.value)
    then = "" if until is None else _without_until(text)
    return Pooled(made, size, until, then, now, max(size - supplied, 0))


def _without_until(text: str) -> str:
    parts = [part.strip() for part in text.split(";")]
    return "; ".join(part for part in parts if part and not _UNTIL.match(f"{part} ")) or "0"


def _whole_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)
