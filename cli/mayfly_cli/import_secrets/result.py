"""What `mayfly import-secrets` shows: names and sizes, never values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mayfly_cli.import_secrets.planning import Left
from mayfly_cli.operations.screen import (
    Cell,
    Document,
    Hint,
    Mood,
    Span,
    columns,
    line,
    table,
)
from mayfly_cli.operations.words import count
from mayfly_cli.queue_secrets.store import STANDARD


class State(StrEnum):
    """What became of a parameter, or will."""

    NEW = "new"
    SAME = "there already"
    DIFFERS = "another value is there"
    REPLACE = "will be replaced"
    WRITTEN = "written"
    OPEN = "not written"


_MOODS = {
    State.WRITTEN: Mood.GOOD,
    State.DIFFERS: Mood.NOTICE,
    State.OPEN: Mood.BAD,
    State.REPLACE: Mood.NOTICE,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter of the plan."""

    source: str
    parameter: str
    bytes: int
    state: State

    @property
    def advanced(self) -> bool:
        """Whether the value needs the advanced tier, which costs money."""
        return self.bytes > STANDARD


@dataclass(frozen=True, slots=True)
class Imported:
    """The plan, and after the import what was done."""

    queue: str
    path: str
    bucket: str
    kms_key: str
    understood: str
    """How the prefix was understood; empty without one."""
    rows: tuple[Row, ...]
    left: tuple[Left, ...]
    notes: tuple[str, ...]
    shared_keys: tuple[str, ...]
    done: bool
    """Whether the import is over; false for a plan."""
    stopped: str = ""
    """Why the import ended early; empty else."""
    suffix: str = field(default="", metadata={"screen": True})

    @property
    def needs_person(self) -> bool:
        """Whether something is left to do."""
        differs = any(each.state in {State.DIFFERS, State.OPEN} for each in self.rows)
        return bool(self.left or self.stopped or self.shared_keys) or differs

    @property
    def to_write(self) -> int:
        """Parameters that are to be written."""
        return sum(each.state in {State.NEW, State.REPLACE} for each in self.rows)

    def document(self) -> Document:
        """The plan or the result, and what is left to a person."""
        key = self.kms_key or "the account's aws/ssm key"
        found: Document = (line(f"{self.bucket} -> {self.path}, SecureStrings under {key}"),)
        if self.understood:
            found += (line(self.understood, indent=2),)
        if self.rows:
            rows = [self._row(each) for each in self.rows]
            found += (table(columns("FROM", ">BYTES", "STATE", "TO"), rows),)
        found += tuple(line(f"note: {each}", indent=2) for each in self._notes())
        found += self._left()
        if self.stopped:
            found += (line(Span("stopped: ", Mood.BAD), self.stopped),)
        return (*found, line(self._sum()))

    def _row(self, row: Row) -> tuple[Cell, ...]:
        state = Span(row.state.value, _MOODS.get(row.state, Mood.PLAIN))
        return row.source, f"{row.bytes:,}", state, row.parameter.removeprefix(f"{self.path}/")

    def _notes(self) -> tuple[str, ...]:
        advanced = sum(each.advanced for each in self.rows)
        if not advanced:
            return self.notes
        told = (
            f"{count(advanced, 'value')} of more than 4 KB in the advanced tier, which AWS charges"
        )
        return (*self.notes, told)

    def _left(self) -> Document:
        found: Document = ()
        if self.left:
            found += (line(Span("left to a person:", Mood.NOTICE)),)
            found += tuple(line(f"{each.source}  {each.why}", indent=2) for each in self.left)
        if self.shared_keys:
            found += (
                line("keys that every pipeline may use; a security owner names them:", indent=2),
                Hint(
                    f"mayfly set {self.queue} secrets/shared-ssh-keys "
                    f'"{",".join(self.shared_keys)}"{self.suffix}'
                ),
            )
        if any(each.state is State.DIFFERS for each in self.rows):
            found += (line("another value stays, unless --overwrite is given", indent=2),)
        return found

    def _sum(self) -> str:
        states = [each.state for each in self.rows]
        parts = [f"{states.count(each)} {each.value}" for each in State if each in states]
        parts += [f"{len(self.left)} left to a person"] if self.left else []
        said = ", ".join(parts) or "nothing to import"
        return f"{said}; the bucket is as it was"
