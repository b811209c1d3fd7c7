"""Makes the report of what was read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.records.audit import ParameterChange
from mayfly.records.model import Claim, Instance, Launch
from mayfly.records.pages import Read
from mayfly_cli.html_report.operators import Change, QueueHours
from mayfly_cli.listings.failed import Ended
from mayfly_cli.operations.reading import (
    QueueView,
    StackView,
    claims_once,
    instances_once,
    launches_once,
)
from mayfly_cli.operations.words import at, count
from mayfly_cli.past.changes import Event
from mayfly_cli.past.cost import cost_of
from mayfly_cli.past.reading import Past
from mayfly_cli.past.volumes import UNKNOWN, Volumes
from mayfly_cli.report.causes import causes_of
from mayfly_cli.report.hours import Known, Span, hours_of
from mayfly_cli.report.result import OperatorReport
from mayfly_cli.report.targets import targets
from mayfly_cli.status.found import queue_status

MOST_CAUSES = 50
"""Causes of failed launches in a report."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The records of one queue: those of now, and those that closed since the start."""

    view: QueueView
    closed_claims: Read[Claim]
    closed_instances: Read[Instance]
    closed_launches: Read[Launch]

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Each claim once."""
        return claims_once(self.view.claims, self.closed_claims.records)

    @property
    def instances(self) -> tuple[Instance, ...]:
        """Each instance once."""
        return instances_once(self.view.instances, self.closed_instances.records)

    @property
    def launches(self) -> tuple[Launch, ...]:
        """Each launch once."""
        return launches_once(self.view.launches, self.closed_launches.records)

    @property
    def known(self) -> Known:
        """Since when everything is known."""
        return Known(_since(self.closed_claims), _since(self.closed_instances))


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed since the start, and the parameters of now by their whole names."""

    parameters: Mapping[str, str]
    changes: Read[ParameterChange]
    events: tuple[Event, ...]
    """The latest first."""
    volumes: Volumes = UNKNOWN


def report_of(
    view: StackView, start: datetime, kept: Iterable[Kept], changed: Changed
) -> OperatorReport:
    """The report on the time from `start` to the time of the view."""
    every = list(kept)
    incomplete = [sentence for each in every for sentence in _missing(each, view.now)]
    incomplete += _missing_changes(changed.changes, view.now)
    causes, further = causes_of(
        [launch for each in every for launch in each.launches],
        [instance for each in every for instance in each.instances],
        MOST_CAUSES,
    )
    if further:
        incomplete.append(f"{count(further, 'rarer cause')} of failed launches.")
    queues = tuple(_queue(each, view, start, changed) for each in every)
    past = Past(
        stack=view.stack,
        region=view.region,
        start=start,
        now=view.now,
        claims=tuple(claim for each in every for claim in each.claims),
        instances=tuple(instance for each in every for instance in each.instances),
        complete=not incomplete,
        volumes=changed.volumes,
    )
    states = [queue_status(each.view, Ended(), view.now) for each in every]
    return OperatorReport(
        stack=view.stack,
        region=view.region,
        since=start,
        now=view.now,
        hours=tuple(each for each in queues if each.hours),
        failed_launches=causes,
        cost=cost_of(past, "pipeline"),
        changes=tuple(_change(each) for each in reversed(changed.events)),
        needy=tuple(each.queue for each in states if each.needs_person),
        left_out=(*incomplete, *_untold(queues)),
        complete=not incomplete,
    )


def _queue(kept: Kept, view: StackView, start: datetime, changed: Changed) -> QueueHours:
    queue = kept.view.queue
    prefix = f"/mayfly/{view.stack}/queues/{queue}/"
    present = {
        name.removeprefix(prefix): value
        for name, value in changed.parameters.items()
        if name.startswith(prefix)
    }
    records = changed.changes.records
    target = targets(present, records, prefix, start, _since_change(changed.changes))
    return QueueHours(
        queue, hours_of(kept.claims, kept.instances, target, Span(start, view.now), kept.known)
    )


def _missing(kept: Kept, now: datetime) -> Iterator[str]:
    """What the reads of one queue do not have."""
    queue = kept.view.queue
    reads: tuple[tuple[str, Read[Claim] | Read[Instance] | Read[Launch]], ...] = (
        ("jobs", kept.closed_claims),
        ("instances", kept.closed_instances),
        ("launches", kept.closed_launches),
    )
    for name, read in reads:
        if (since := _since(read)) is not None:
            yield f"Queue {queue}: {name} that ended before {at(since, now)}, for there are more."
        if read.unreadable:
            yield f"Queue {queue}: {count(len(read.unreadable), 'unreadable row')} of {name}."


def _missing_changes(read: Read[ParameterChange], now: datetime) -> Iterator[str]:
    if (since := _since_change(read)) is not None:
        yield f"Changes before {at(since, now)}, for there are more."
    if read.unreadable:
        yield f"{count(len(read.unreadable), 'unreadable row')} of changes."


def _untold(queues: Iterable[QueueHours]) -> Iterator[str]:
    """What no record tells."""
    yield "Jobs that no queue took, as their rules were not met or too many jobs were before them."
    yield "Changes of parameters before Mayfly recorded any: the target is the one after them."
    every = list(queues)
    for what, lacking in (
        ("hot instances", [q.queue for q in every if any(h.hot is None for h in q.hours)]),
        ("the target", [q.queue for q in every if any(h.target is None for h in q.hours)]),
    ):
        if lacking:
            yield f"Some hours of {what} of {', '.join(lacking)}: the records do not tell them."


def _since(read: Read[Claim] | Read[Instance] | Read[Launch]) -> datetime | None:
    """Since when everything was read; None where all was."""
    if read.complete or not read.records:
        return None
    return read.records[-1].since


def _since_change(read: Read[ParameterChange]) -> datetime | None:
    return None if read.complete or not read.records else read.records[-1].at


def _change(event: Event) -> Change:
    what = event.name if event.kind == "parameter" else f"{event.kind} {event.name}"
    return Change(event.at, event.who, what, event.old or "", event.new or "")
