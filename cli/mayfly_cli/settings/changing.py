"""Changes one parameter, and waits until the change is in force."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from shlex import quote

from botocore.exceptions import BotoCoreError, ClientError

from mayfly.answers import Parameter
from mayfly.config.problem import printable
from mayfly.errors import MayflyError
from mayfly_cli.ends import Stopped, UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.mending import name_of
from mayfly_cli.operations.parameter_names import below_queue, described, known
from mayfly_cli.operations.queues import live_queue
from mayfly_cli.operations.refusals import why_not_asked
from mayfly_cli.operations.screen import Document, Hint, Mood, Span, line
from mayfly_cli.operations.tuning import LONGEST, Stored
from mayfly_cli.settings.checking import check, clean, must_be_text

PATIENCE = 5.0
"""Seconds until a change should be in force: SSM's event wakes `provision`, which writes it into
the queue's record."""
_PAUSE = 0.25


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of one parameter."""

    stack: str
    queue: str
    name: str
    old: str | None
    """None for a parameter that did not exist."""
    new: str | None
    """None for a parameter that was deleted."""
    default: str
    """Empty for a name that no queue has."""
    in_force: bool
    after_seconds: float | None = None
    """How long it took until the change was in force; None where it is not yet."""
    note: str = ""
    """What else a person should know."""
    overwritten: str | None = None
    """A value that somebody else wrote in the moment of this write, and that is lost."""

    @property
    def needs_person(self) -> bool:
        """Whether the change is not in force, or another person's change was lost."""
        return not self.in_force or self.overwritten is not None

    def document(self) -> Document:
        """One line, and what is to be done."""
        old, new = (self._shown(value) for value in (self.old, self.new))
        state = Span("in force", Mood.GOOD) if self.in_force else Span("not in force", Mood.NOTICE)
        took = "" if self.after_seconds is None else f" after {self.after_seconds:.1f} s"
        found: Document = (line(f"{self.queue}  {self.name}  {old} -> {new}  ", state, took),)
        if self.note:
            found += (line(self.note, indent=2),)
        if self.overwritten is not None:
            found += (
                line(
                    Span("lost: ", Mood.BAD),
                    f'somebody wrote "{printable(self.overwritten, 200)}" in the same moment',
                    indent=2,
                ),
                Hint(f"mayfly set {self.queue} {self.name} {quote(self.overwritten)}"),
            )
        return found

    def _shown(self, value: str | None) -> str:
        if value is None:
            return f"(default {self.default})" if self.default else "(removed)"
        return printable(value, LONGEST)


def change(
    connection: Connection, queue: str, name: str, value: str | None, *, was: str | None = None
) -> Changed:
    """Write the value, or delete the parameter for None; wait until the change is in force.

    With `was`, the change is made only while the parameter has that value.

    Raises:
        UsageError: queue or name does not exist, the value is refused, or somebody else has
            changed the parameter since it was read. Nothing was written then.
    """
    record = live_queue(connection.records, queue)
    name = below_queue(name, connection.parameters.path(queue, ""))
    stored = connection.parameters.of_queue(queue)
    old = stored.get(name)
    # A name that no queue has can be removed, where somebody has written it.
    entry = known(name) if value is None and old is not None else described(name)
    new = None if value is None else clean(value)
    if was is not None and (old is None or old.value.strip() != was.strip()):
        found = "does not exist" if old is None else f'is "{old.shown(200)}"'
        raise UsageError(f"{name} {found}, so nothing was written")
    if new is not None:
        must_be_text(name, old)
    before = _readable(stored)
    after = {k: v for k, v in before.items() if k != name}
    if new is not None:
        after[name] = Parameter(new, 1 if old is None else old.version + 1)
    checked = check(connection.stack, record, before, after)
    shown = Changed(
        stack=connection.stack,
        queue=queue,
        name=name,
        old=None if old is None else old.shown(LONGEST),
        new=new,
        default="" if entry is None else entry.default,
        in_force=True,
    )
    if new == (None if old is None else old.value):
        return replace(shown, in_force=checked.config == record.config, note="nothing to change")
    lost = _write(connection, queue, name, new, old)
    if checked.config is None:
        note = f"the queue stays as it was until this is repaired: {'; '.join(checked.others)}"
        return replace(shown, in_force=False, note=note, overwritten=lost)
    return replace(_followed(connection, shown, checked.config, record.problems), overwritten=lost)


def _followed(
    connection: Connection, shown: Changed, expected: str, before: Collection[str]
) -> Changed:
    """As `_awaited`; whatever ends the wait early does not hide that the change is written."""
    try:
        return _awaited(connection, shown, expected, before)
    except KeyboardInterrupt as error:
        raise Stopped(
            f"stopped; {shown.name} is written, and mayfly get {shown.queue} says whether it is in "
            "force"
        ) from error
    except (ClientError, BotoCoreError, MayflyError) as error:
        why = why_not_asked(error, connection.stack)
        note = f"written; whether it is in force is not known: {why}"
        return replace(shown, in_force=False, note=note)


def _write(
    connection: Connection, queue: str, name: str, new: str | None, old: Stored | None
) -> str | None:
    """Write or delete; returns a value that somebody else wrote in between, and that is lost."""
    if new is None:
        if old is not None:
            connection.parameters.delete(queue, name, old)
        return None
    version = connection.parameters.put(queue, name, new, old)
    if old is None or version <= old.version + 1:
        return None
    between = connection.parameters.history(queue, name)
    value = next((each.value for each in reversed(between) if each.version == version - 1), "")
    # botocore repeats a write whose answer was lost: then the version before is this write's own.
    return None if value == new else value


def _awaited(
    connection: Connection, shown: Changed, expected: str, before: Collection[str]
) -> Changed:
    """The change with the time that it took to be in force, as the queue's record says it.

    `before` are the problems that the record had before the change: they say nothing of it.
    """
    begun = connection.clock()
    while True:
        record = connection.records.queue(shown.queue)
        if record is None or not record.active:
            note = "written, but the queue has been deleted meanwhile: nothing reads the parameter"
            return replace(shown, in_force=False, note=note)
        took = (connection.clock() - begun).total_seconds()
        mine = [each for each in record.problems if name_of(each) == shown.name]
        left = bool(mine) and shown.new is None
        if record.config == expected and not left:
            return replace(shown, in_force=True, after_seconds=round(took, 1))
        told = [each for each in mine if each not in before]
        if told:
            return replace(shown, in_force=False, note="; ".join(told))
        if took >= PATIENCE:
            note = (
                f"{PATIENCE:.0f} s are over. The function `provision` takes over changes, once a "
                "minute at the latest; `mayfly doctor` says whether it runs"
            )
            return replace(shown, in_force=False, note=note)
        connection.sleep(_PAUSE)


def _readable(stored: Mapping[str, Stored]) -> dict[str, Parameter]:
    return {name: each.readable for name, each in stored.items()}
