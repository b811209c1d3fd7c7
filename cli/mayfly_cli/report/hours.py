"""The hours of a queue, made of its claims and instances. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from mayfly.records.model import HISTORY, Claim, Instance
from mayfly.records.states import ClaimState, InstanceState
from mayfly_cli.html_report.operators import HOUR, Hour

_WITHOUT_AN_AGENT = frozenset({ClaimState.WAITING, ClaimState.ASSIGNED})


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `begin` up to `end`, without `end` itself."""

    begin: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """Since when all claims, and all instances, are known: None for the whole time."""

    claims: datetime | None = None
    instances: datetime | None = None


def hours_of(
    claims: Iterable[Claim],
    instances: Sequence[Instance],
    target: Callable[[datetime], int | None],
    whole: Span,
    known: Known,
) -> tuple[Hour, ...]:
    """The hours of `whole`, without those in which not all claims are known.

    The first and the last one may be parts of an hour. A target is that of the part's begin.
    """
    parts = list(_parts(whole))
    waiting = extremes([waited(each, whole.end) for each in claims], parts)
    ready = extremes([span for each in instances for span in hot(each, whole.end)], parts)
    untold = [span for each in instances for span in unknown(each, whole.end)]
    dark = extremes(untold, parts)
    return tuple(
        Hour(
            begins=_hour(part.begin),
            waiting=most,
            hot=fewest if not unclear and _is_known(part, known.instances) else None,
            target=target(part.begin),
        )
        for part, (_, most), (fewest, _), (_, unclear) in zip(
            parts, waiting, ready, dark, strict=True
        )
        if _is_known(part, known.claims)
    )


def waited(claim: Claim, now: datetime) -> Span:
    """The time from runnable until an agent had the job, or until nobody waited any more."""
    phases = claim.phases
    open_end = now if claim.state in _WITHOUT_AN_AGENT else claim.since
    return Span(claim.runnable_at, phases.accepted or phases.finished or open_end)


def hot(instance: Instance, now: datetime) -> Iterator[Span]:
    """The times in which the instance was ready, and had no job."""
    ends = [*(step.at for step in instance.history[1:]), now]
    for step, end in zip(instance.history, ends, strict=False):
        if step.state == InstanceState.READY:
            yield Span(step.at, end)


def unknown(instance: Instance, now: datetime) -> Iterator[Span]:
    """The times of which the record does not tell whether the instance was ready.

    A record keeps the latest steps alone; a record of an earlier version may have none.
    """
    history = instance.history
    if not history:
        yield Span(instance.created, now if instance.state.traits.open else instance.since)
    elif len(history) >= HISTORY:
        yield Span(instance.created, history[0].at)


def extremes(spans: Iterable[Span], parts: Sequence[Span]) -> list[tuple[int, int]]:
    """By part: the fewest and the most spans that lasted at once.

    `parts` follow each other. What ends in the instant in which another begins makes room for it.
    """
    edges = sorted(
        edge
        for span in spans
        if span.begin < span.end
        for edge in ((span.begin, 1), (span.end, -1))
    )
    found, level, at = list[tuple[int, int]](), 0, 0
    for part in parts:
        while at < len(edges) and edges[at][0] <= part.begin:
            level += edges[at][1]
            at += 1
        low = high = level
        while at < len(edges) and edges[at][0] < part.end:
            instant = edges[at][0]
            while at < len(edges) and edges[at][0] == instant:
                level += edges[at][1]
                at += 1
            low, high = min(low, level), max(high, level)
        found.append((low, high))
    return found


def _parts(whole: Span) -> Iterator[Span]:
    first = _hour(whole.begin)
    count = -(-(whole.end - first) // HOUR)
    bounds = [whole.begin, *(first + n * HOUR for n in range(1, count)), whole.end]
    for begin, end in pairwise(bounds):
        yield Span(begin, end)


def _hour(moment: datetime) -> datetime:
    return moment - timedelta(
        minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond
    )


def _is_known(part: Span, since: datetime | None) -> bool:
    return since is None or part.begin >= since
