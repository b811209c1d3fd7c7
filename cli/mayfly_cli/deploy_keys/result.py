"""What the commands of deploy keys show."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

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
from mayfly_cli.operations.words import at


@dataclass(frozen=True, slots=True)
class Created:
    """A key that was made, registered, tried and stored."""

    queue: str
    repository: str
    provider: str
    parameter: str
    version: int
    kms_key: str
    """ARN; empty for the account's aws/ssm."""
    title: str
    fingerprint: str
    removed: tuple[str, ...]
    """Fingerprints of old deploy keys that were removed at the provider."""
    left: str
    """What a person still has to do; empty for nothing."""
    note: str

    @property
    def needs_person(self) -> bool:
        """Whether something is left to do."""
        return bool(self.left)

    def document(self) -> Document:
        """What was made, and where it is."""
        key = self.kms_key or "the account's aws/ssm key"
        found: Document = (
            line(
                f"{self.repository}  ",
                Span("git can read it with the new key", Mood.GOOD),
            ),
            line(f"private half  {self.parameter}, version {self.version}, under {key}", indent=2),
            line(
                f'public half   {self.fingerprint}, read-only at {self.provider} as "{self.title}"',
                indent=2,
            ),
        )
        found += tuple(
            line(f"removed       {each}, the old one", indent=2) for each in self.removed
        )
        if self.note:
            found += (line(self.note, indent=2),)
        return found + _left(self.left)


@dataclass(frozen=True, slots=True)
class Deleted:
    """A key that was deleted."""

    queue: str
    repository: str
    provider: str
    parameter: str
    """Empty where a deploy key was deleted at the provider alone."""
    removed: tuple[str, ...]
    left: str

    @property
    def needs_person(self) -> bool:
        """Whether something is left to do."""
        return bool(self.left)

    def document(self) -> Document:
        """What was deleted."""
        found: Document = (line(f"{self.repository}  ", Span("deleted", Mood.GOOD)),)
        if self.parameter:
            found += (line(f"{self.parameter}, with all its versions", indent=2),)
        found += tuple(line(f"{each} at {self.provider}", indent=2) for each in self.removed)
        if not self.removed and not self.left:
            found += (line(f"{self.provider} had no such deploy key", indent=2),)
        return found + _left(self.left)


@dataclass(frozen=True, slots=True)
class Row:
    """A key in Parameter Store, or a deploy key at the provider."""

    folder: str
    """Repository slug, pipeline slug or `global`."""
    version: int | None
    """None for a deploy key that is at the provider alone."""
    changed: datetime | None
    fingerprint: str
    """Empty where it is not known."""
    title: str = ""
    """The title at the provider; empty where the provider was not asked."""
    note: str = ""
    needs_person: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """Keys of a queue, or of one repository with what its provider has."""

    queue: str
    path: str
    now: datetime = field(metadata={"screen": True})
    keys: tuple[Row, ...]

    @property
    def needs_person(self) -> bool:
        """Whether a key does not work, or is of no use."""
        return any(each.needs_person for each in self.keys)

    def document(self) -> Document:
        """One line a key."""
        if not self.keys:
            return (line(f"{self.path} has no ssh keys"),)
        rows = [
            (
                each.folder,
                "-" if each.version is None else str(each.version),
                "-" if each.changed is None else at(each.changed, self.now),
                each.fingerprint or "not known",
                self._note(each),
            )
            for each in self.keys
        ]
        return (table(columns("REPOSITORY", ">VERSION", "CHANGED", "FINGERPRINT", "NOTE"), rows),)

    def _note(self, row: Row) -> Cell:
        note = "; ".join(filter(None, (f'"{row.title}"' if row.title else "", row.note)))
        return Span(note, Mood.NOTICE) if row.needs_person else note


def _left(text: str) -> Document:
    if not text:
        return ()
    why, _, command = text.partition(": mayfly ")
    found: Document = (line(Span("left to do: ", Mood.BAD), why, indent=2),)
    return (*found, Hint(f"mayfly {command}")) if command else found
