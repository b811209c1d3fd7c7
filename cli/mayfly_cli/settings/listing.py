"""The parameters of a queue, as they are set and as they are in force."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.records.model import QueueRecord
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.mending import bad_value, name_of
from mayfly_cli.operations.parameter_names import NAMES, below_queue, described, known
from mayfly_cli.operations.queues import queues_named
from mayfly_cli.operations.screen import Document, Mood, Span, columns, line, table
from mayfly_cli.operations.tuning import LONGEST, Stored
from mayfly_cli.operations.words import at


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter of a queue."""

    name: str
    value: str | None
    """None where the parameter does not exist, and the default holds."""
    default: str
    changed: datetime | None
    problem: str
    """Why the value is not in force; empty for one that is."""
    meaning: str
    allowed: str


@dataclass(frozen=True, slots=True)
class Settings:
    """The parameters of a queue."""

    stack: str
    queue: str
    now: datetime
    settings: tuple[Setting, ...]
    problems: tuple[str, ...]
    """What keeps values of this queue from being in force."""

    @property
    def needs_person(self) -> bool:
        """Whether a value is not in force."""
        return bool(self.problems)

    def document(self) -> Document:
        """One row a parameter, and what is wrong; of one parameter also its meaning."""
        rows = [
            (
                each.name,
                "default" if each.changed is None else at(each.changed, self.now),
                Span(each.default, Mood.FAINT) if each.value is None else each.value,
            )
            for each in self.settings
        ]
        found: Document = (table(columns("NAME", "CHANGED", "VALUE"), rows),)
        if len(self.settings) == 1 and (only := self.settings[0]).meaning:
            found += (line(""), line("meaning  ", only.meaning), line("allowed  ", only.allowed))
        shown = {each.name for each in self.settings}
        wrong = [each for each in self.problems if name_of(each) in {*shown, ""}]
        for each in wrong:
            found += (line(""), *bad_value(self.queue, each))
        return found


def listing(connection: Connection, queue: str, name: str | None) -> Settings:
    """The queue's parameters, or the named one. Raises UsageError for an unknown queue or name."""
    (record,) = queues_named(connection.records, queue)
    stored = connection.parameters.of_queue(queue)
    if name is not None:
        name = below_queue(name, connection.parameters.path(queue, ""))
        if name not in stored:
            described(name)
    return settings_of(connection.stack, record, stored, name, connection.clock())


def settings_of(
    stack: str, record: QueueRecord, stored: Mapping[str, Stored], name: str | None, now: datetime
) -> Settings:
    """The settings: every parameter that Mayfly knows, and every other one that is there."""
    names = [name] if name is not None else [*NAMES, *(n for n in sorted(stored) if n not in NAMES)]
    return Settings(
        stack=stack,
        queue=record.queue,
        now=now,
        settings=tuple(_setting(each, stored.get(each), record.problems) for each in names),
        problems=record.problems,
    )


def _setting(name: str, stored: Stored | None, problems: tuple[str, ...]) -> Setting:
    entry = known(name)
    told = [p.removeprefix(name) for p in problems if name_of(p) == name]
    return Setting(
        name=name,
        value=None if stored is None else stored.shown(LONGEST),
        default="" if entry is None else entry.default,
        changed=None if stored is None else stored.changed,
        problem="; ".join(text.lstrip(": ") for text in told),
        meaning="" if entry is None else entry.meaning,
        allowed="" if entry is None else entry.allowed,
    )
