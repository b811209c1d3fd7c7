"""Parameters of the stack that no queue reads: by their whole names shown, and removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from shlex import quote

from mayfly.config.paths import WrongPath, unknown_paths
from mayfly.config.problem import printable
from mayfly.config.writers import OPERATORS, SECURITY_OWNERS, writer
from mayfly.records.model import QueueRecord
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.screen import Block, Document, Hint, Mood, Span, line
from mayfly_cli.operations.tuning import LONGEST, Stored
from mayfly_cli.operations.words import at
from mayfly_cli.settings.changing import Changed, change
from mayfly_cli.settings.listing import Settings, listing

_WHO = {OPERATORS: "an operator", SECURITY_OWNERS: "a security owner", "": "an administrator"}


@dataclass(frozen=True, slots=True)
class Stray:
    """A parameter that no queue reads."""

    name: str
    """The whole name."""
    value: str
    changed: datetime | None
    problem: str
    """Why nothing reads it."""
    remover: str
    """Who may remove it."""
    commands: tuple[str, ...]
    """The command that sets what was probably meant, if that is known; the one that removes it."""

    def blocks(self, now: datetime) -> Iterator[Block]:
        """The parameter, why nothing reads it, and what to do."""
        when = "" if self.changed is None else f"  changed {at(self.changed, now)}"
        *setting, removal = self.commands
        yield line(self.name, "  ", printable(self.value, 400), when)
        yield line(Span(self.problem, Mood.BAD), indent=2)
        for each in setting:
            yield Hint(each)
        yield line(f"{self.remover} removes it:", indent=2)
        yield Hint(removal)


@dataclass(frozen=True, slots=True)
class Strays:
    """Parameters that no queue reads."""

    stack: str
    now: datetime
    parameters: tuple[Stray, ...]

    @property
    def needs_person(self) -> bool:
        """Always: somebody has set values that are not in force."""
        return True

    def document(self) -> Document:
        """A paragraph for each."""
        return tuple(block for each in self.parameters for block in each.blocks(self.now))


@dataclass(frozen=True, slots=True)
class Removed:
    """A parameter that no queue read, and that is deleted."""

    stack: str
    name: str
    """The whole name."""
    old: str
    note: str
    """Why nothing read it."""
    meant: str
    """The command that sets what was probably meant; empty where that is not known."""

    @property
    def needs_person(self) -> bool:
        """Never: the command has done all."""
        return False

    def document(self) -> Document:
        """What was removed, and what to do if another name was meant."""
        found: Document = (
            line(f"{self.name}  {printable(self.old, 400)} -> ", Span("removed", Mood.GOOD)),
            line(f"no queue read it: {self.note}", indent=2),
        )
        return (*found, Hint(self.meant)) if self.meant else found


def shown(connection: Connection, place: str, name: str | None) -> Settings | Strays:
    """Parameters of a queue, or, by a whole name, those at and below it.

    Raises UsageError for an unknown queue or name.
    """
    if not place.startswith("/"):
        return listing(connection, place, name)
    _alone(place, name)
    queues = _live(connection.records.queues())
    queue, below = _of_queue(connection, place, queues)
    if queue:
        return listing(connection, queue, below or None)
    stored = connection.parameters.all()
    wrong = [
        each
        for path in sorted(stored)
        if path == place or path.startswith(f"{place.rstrip('/')}/")
        for each in unknown_paths(connection.stack, [path], queues)
    ]
    if not wrong:
        raise UsageError(f"there is no parameter {place}, and below it none that no queue reads")
    found = tuple(_stray(each, stored[each.place]) for each in wrong)
    return Strays(connection.stack, connection.clock(), found)


def unset(connection: Connection, place: str, name: str | None) -> Changed | Removed:
    """Delete a queue's parameter, or, by its whole name, one that no queue reads.

    Raises:
        UsageError: as `change`; and if there is no such parameter.
    """
    records = connection.records.queues()
    queues = _live(records)
    if not place.startswith("/"):
        if name is None:
            raise UsageError("a name is missing: mayfly unset QUEUE NAME")
        path = connection.parameters.path(place, name.strip("/"))
        if place not in queues and connection.parameters.at(path) is not None:
            why = _why_unread(records, place)
            raise UsageError(f"{why}, but {path} is there: mayfly unset {path}")
        return change(connection, place, name, None)
    _alone(place, name)
    queue, below = _of_queue(connection, place, queues)
    if queue and below:
        return change(connection, queue, below, None)
    stored = connection.parameters.at(place)
    if stored is None:
        raise UsageError(f"there is no parameter {place}; what is below it: mayfly get {place}")
    (wrong,) = unknown_paths(connection.stack, [place], queues)
    connection.parameters.remove(place, stored)
    setting = wrong.setting(_to_paste(stored))
    return Removed(connection.stack, place, stored.shown(LONGEST), wrong.text, setting)


def _stray(wrong: WrongPath, stored: Stored) -> Stray:
    setting = wrong.setting(_to_paste(stored))
    return Stray(
        name=wrong.place,
        value=stored.shown(LONGEST),
        changed=stored.changed,
        problem=wrong.text,
        remover=_WHO[writer(wrong.place)],
        commands=tuple(each for each in (setting, wrong.removal) if each),
    )


def _to_paste(stored: Stored) -> str:
    """The value as a word of a command; VALUE for one that a screen does not show whole."""
    return quote(stored.value) if stored.shown(LONGEST) == stored.value else "VALUE"


def _alone(place: str, name: str | None) -> None:
    if name is not None:
        raise UsageError(f"{place} is a whole name, and nothing stands behind it: not {name}")


def _why_unread(records: Sequence[QueueRecord], queue: str) -> str:
    """Why nothing reads the parameters of a queue that is not among the queues with a stack."""
    if any(each.queue == queue for each in records):
        return f"queue {queue} is being deleted: its stack is gone"
    return f"the stack has no queue {queue}"


def _live(records: Sequence[QueueRecord]) -> Sequence[str]:
    """The queues whose stacks are there: only these have parameters that are read."""
    return sorted(each.queue for each in records if each.active)


def _of_queue(connection: Connection, place: str, queues: Sequence[str]) -> tuple[str, str]:
    """The queue of a whole name, and the name below its path; empty where there is no such queue.

    Raises UsageError for a name of another stack.
    """
    root = f"/mayfly/{connection.stack}"
    if not f"{place}/".startswith(f"{root}/"):
        raise UsageError(f"{place} is not below {root}, where the stack's parameters are")
    first, _, rest = place.removeprefix(root).strip("/").partition("/")
    queue, _, below = rest.partition("/")
    return (queue, below) if first == "queues" and queue in queues else ("", "")
