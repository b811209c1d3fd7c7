"""What changed: parameters, specs, alarms, and the stack, in one time line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly.config.problem import printable
from mayfly.records.audit import ParameterChange
from mayfly.records.pages import read_all
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.screen import Document, Mood, Span, columns, line, table
from mayfly_cli.operations.tuning import LONGEST
from mayfly_cli.operations.words import at

MOST = 2000
_FIRST_VERDICT = timedelta(minutes=10)
"""A new alarm is judged within minutes of its making."""


@dataclass(frozen=True, slots=True)
class Event:
    """One change."""

    at: datetime
    kind: str
    """`parameter`, `spec`, `alarm` or `deployment`."""
    name: str
    """Of a parameter below `/mayfly/STACK/queues/`; of an alarm; of the stack; a spec's queue."""
    old: str | None
    new: str | None
    who: str
    """ARN of whoever made the change; empty for an unknown one."""
    cause: str = ""
    """Why a spec has changed; empty where that is not known, and for other kinds."""

    def is_about(self, queue: str | None) -> bool:
        """Whether the change may matter to the queue; None means every queue."""
        if queue is None or self.kind == "deployment":
            return True
        if self.kind == "alarm":
            # A queue's alarm is named `STACK-queue/QUEUE/…`; others are of the whole stack.
            _, of_queue, rest = self.name.partition("-queue/")
            return not of_queue or rest.startswith(f"{queue}/")
        return self.name == queue or self.name.startswith(f"{queue}/")


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of some time, the latest first."""

    stack: str
    now: datetime
    since: datetime
    events: tuple[Event, ...]
    complete: bool

    @property
    def needs_person(self) -> bool:
        """Never: a history is no verdict."""
        return False

    def document(self) -> Document:
        """One row a change."""
        if not self.events:
            return (line("nothing changed in this time"),)
        rows = [
            (
                at(each.at, self.now, seconds=True),
                each.kind,
                each.name,
                each.who.rpartition("/")[2] or "-",
                Span(_told(each), Mood.BAD if each.new == "ALARM" else Mood.PLAIN),
            )
            for each in self.events
        ]
        more = () if self.complete else (line("there are more: give a shorter --since"),)
        return (table(columns("AT", "WHAT", "NAME", "WHO", "CHANGE"), rows), *more)


def _told(event: Event) -> str:
    old, new = (
        "(default)" if value is None else printable(value, LONGEST)
        for value in (event.old, event.new)
    )
    if event.kind == "spec":
        return f"{old} -> {new}: {event.cause or 'cause not known'}"
    return new if event.kind != "parameter" else f"{old} -> {new}"


def read_changes(connection: Connection, since: timedelta, queue: str | None = None) -> Changes:
    """The changes since then, with `queue` those that may matter to it.

    A queue that is gone, or that never was, may have changes.
    """
    now, history = connection.clock(), connection.history
    start = now - since
    found = read_all(lambda after: history.changes(start, now, after), MOST)
    events = events_of(connection, stack_of(connection), found.records, start)
    kept = tuple(each for each in events if each.is_about(queue))
    return Changes(connection.stack, now, start, kept, found.complete)


def events_of(
    connection: Connection,
    stack: Mapping[str, Any],
    changes: Iterable[ParameterChange],
    start: datetime,
) -> tuple[Event, ...]:
    """These changes, with specs, alarms and deployments since the start, the latest first.

    `stack` is what `stack_of` has read.
    """
    events = [
        *(_of_parameter(each, connection.stack) for each in changes),
        *_specs(connection, start),
        *alarm_events(connection.alarms(), start),
        *_deployments(stack, start),
    ]
    return tuple(sorted(events, key=lambda each: (each.at, each.name), reverse=True))


def _of_parameter(change: ParameterChange, stack: str) -> Event:
    name = change.name.removeprefix(f"/mayfly/{stack}/queues/")
    return Event(change.at, "parameter", name, change.old, change.new, change.who)


def _specs(connection: Connection, start: datetime) -> list[Event]:
    now, history = connection.clock(), connection.history
    found = read_all(lambda after: history.spec_changes(start, now, after), MOST)
    return [
        Event(each.at, "spec", each.queue, each.old, each.new, "", "; ".join(each.causes))
        for each in found.records
    ]


def alarm_events(alarms: Iterable[Mapping[str, Any]], start: datetime) -> list[Event]:
    """The latest change of each alarm since the start, but of a new alarm only if it goes off."""
    return [
        Event(
            alarm["StateUpdatedTimestamp"].astimezone(UTC),
            "alarm",
            alarm["AlarmName"],
            "",
            alarm["StateValue"],
            "",
        )
        for alarm in alarms
        if alarm["StateUpdatedTimestamp"] >= start and not _is_new(alarm)
    ]


def _is_new(alarm: Mapping[str, Any]) -> bool:
    """Whether the alarm is as it was made, or its first verdict is that all is well.

    A deployment makes dozens of such alarms, and their verdicts say nothing about what changed.
    """
    made = alarm["AlarmConfigurationUpdatedTimestamp"]
    early = alarm["StateUpdatedTimestamp"] - made < _FIRST_VERDICT
    return bool(early and alarm["StateValue"] != "ALARM")


def stack_of(connection: Connection) -> Mapping[str, Any]:
    """The control plane's stack, as CloudFormation shows it."""
    client = connection.account.client("cloudformation")
    (stack,) = client.describe_stacks(StackName=connection.stack)["Stacks"]
    found: Mapping[str, Any] = stack
    return found


def begin_of(stack: Mapping[str, Any], start: datetime, now: datetime) -> datetime:
    """The start, or the time at which CloudFormation made the stack, whichever is later."""
    made: datetime = stack["CreationTime"].astimezone(UTC)
    return max(start, made) if made < now else start


def _deployments(stack: Mapping[str, Any], start: datetime) -> list[Event]:
    when = (stack.get("LastUpdatedTime") or stack["CreationTime"]).astimezone(UTC)
    if when < start:
        return []
    return [Event(when, "deployment", stack["StackName"], None, stack["StackStatus"], "")]
