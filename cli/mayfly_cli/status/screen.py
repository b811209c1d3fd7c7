"""`mayfly status` for a screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mayfly.dispatch.policy import in_short
from mayfly.records.bounds import cut
from mayfly.records.standing import Target
from mayfly.records.why import Code
from mayfly_cli.listings.failed import HOUR
from mayfly_cli.listings.jobs import Job
from mayfly_cli.operations.mending import bad_value
from mayfly_cli.operations.reasons import mood, of_security_owners, remedy, title, told
from mayfly_cli.operations.screen import (
    Block,
    Cell,
    Document,
    Hint,
    Mood,
    Span,
    columns,
    line,
    table,
)
from mayfly_cli.operations.words import at, count, lasted
from mayfly_cli.status.found import QueueStatus, StackStatus

LONGEST = 240
"""Bytes of a failed job's reason; `mayfly explain JOB` has all of it."""
DEFAULT = "default"
"""The reason of a target that no entry of the schedule sets."""
_WAITS = (">COMING", ">RUNNING", ">OF MAX", ">WAITING", ">OLDEST", ">P50/P99", "NOTE")


def document(status: StackStatus) -> Document:
    """A head line, a row for each queue, what needs a person with what to do, and failed jobs.

    Stopped instances have a column where a queue has such a pool. A single queue shows below its
    row why its pools have their targets, and each of its reasons whole; several ones show in their
    notes the targets in force and the gravest reason.
    """
    stopped = any(each.stopped or each.stopped_target for each in status.queues)
    heads = columns("QUEUE", ">HOT", *((">STOPPED",) if stopped else ()), *_WAITS)
    found: list[Block] = [_head(status)]
    found.append(table(heads, [_row(each, status, stopped=stopped) for each in status.queues]))
    if len(status.queues) == 1:
        found += _pools(status.queues[0], status)
        found += _held(status.queues[0])
    wrong = [
        block for each in status.queues for block in (*_wrong(each, status), *_failed(each, status))
    ]
    return (*found, *((line(""), *wrong) if wrong else ()))


def _head(status: StackStatus) -> Block:
    word = status.buildkite
    needy = sum(1 for each in status.queues if each.needs_person)
    total = count(len(status.queues), "queue")
    listed = ""
    if word.listed_at is not None:
        listed = f", listed {lasted(status.now - word.listed_at)} ago"
    good = Mood.GOOD if word.token == "good" else Mood.BAD  # noqa: S105
    since = "" if word.since is None else f" since {at(word.since, status.now)}: {word.reason}"
    needs = f"{needy} need{'s' if needy == 1 else ''} a person" if needy else "none needs a person"
    return line(
        Span(status.stack, Mood.STRONG),
        f" · {status.region} · {at(status.now, status.now)} UTC · Buildkite: ",
        Span(f"token {word.token}", good),
        f"{since}{listed} · {total}, ",
        Span(needs, Mood.BAD if needy else Mood.GOOD),
    )


def _row(queue: QueueStatus, status: StackStatus, *, stopped: bool) -> tuple[Cell, ...]:
    waits = queue.waits
    shown = "-" if waits is None else f"{_seconds(waits.p50)}/{_seconds(waits.p99)}"
    full = Mood.NOTICE if queue.live >= queue.max_instances else Mood.PLAIN
    return (
        queue.queue,
        _of(queue.hot, queue.hot_target),
        *((_stopped(queue),) if stopped else ()),
        str(queue.coming),
        str(queue.running),
        Span(f"{queue.live}/{queue.max_instances}", full),
        str(queue.waiting),
        "-" if queue.oldest is None else lasted(queue.oldest),
        shown,
        _note(queue, status),
    )


def _of(number: int, target: int) -> Cell:
    return Span(f"{number}/{target}", Mood.NOTICE if number < target else Mood.PLAIN)


def _stopped(queue: QueueStatus) -> Cell:
    if not queue.stopped and not queue.stopped_target:
        return "-"
    return _of(queue.stopped, queue.stopped_target)


def _pools(queue: QueueStatus, status: StackStatus) -> Iterator[Block]:
    """Why the pools have their targets: an entry of the schedule, or the schedule's count."""
    for name, number, target in _targets(queue):
        if target.reason and (name == "hot" or target.value or target.next_change):
            changes = target.next_change
            later = "no change is planned" if changes is None else _next(changes, status)
            because = f"pool/{name} has this count"
            if target.reason != DEFAULT:
                because = f'the entry "{target.reason}" of pool/{name} is in force'
            if name == "hot" and any(each.code is Code.PAUSED for each in queue.reasons):
                because = "the queue is paused, and keeps none"
            yield line(f"{name} {number} of {target.value}: {because}; {later}")


def _held(queue: QueueStatus) -> Iterator[Block]:
    """How many jobs a queue holds that its operators have paused."""
    if any(each.code is Code.PAUSED for each in queue.reasons):
        oldest = "" if queue.oldest is None else f", the oldest one for {lasted(queue.oldest)}"
        held = count(queue.held, "job") if queue.held else "no job"
        yield line(Span("PAUSED", Mood.NOTICE), f" holds {held}{oldest}")
        yield Hint(f"mayfly resume {queue.queue}")


def _next(changes: datetime, status: StackStatus) -> str:
    return f"next change at {at(changes, status.now)}"


def _targets(queue: QueueStatus) -> Iterator[tuple[str, int, Target]]:
    hot = Target(queue.hot_target, queue.hot_reason, queue.hot_next_change)
    yield "hot", queue.hot, hot
    held = Target(queue.stopped_target, queue.stopped_reason, queue.stopped_next_change)
    yield "stopped", queue.stopped, held


def _note(queue: QueueStatus, status: StackStatus) -> Cell:
    if not queue.active:
        return Span("BEING DELETED", Mood.NOTICE)
    several = len(status.queues) > 1
    by_the_clock = " · ".join(_in_force(queue, status)) if several else ""
    if queue.reasons and not several:
        titles = ", ".join(dict.fromkeys(title(each) for each in queue.reasons))
        return Span(titles, mood(queue.reasons[0]))
    if queue.reasons:
        first = queue.reasons[0]
        more = f" (+{len(queue.reasons) - 1})" if len(queue.reasons) > 1 else ""
        tries = ""
        if first.next_try is not None and first.next_try > status.now:
            tries = f", try in {lasted(first.next_try - status.now)}"
        text = f"{title(first)} {first.text}{tries}{more}"
        return Span(" · ".join(filter(None, (text, by_the_clock))), mood(first))
    if queue.problems:
        return Span(" · ".join(filter(None, ("BAD VALUE", by_the_clock))), Mood.BAD)
    return Span(by_the_clock, Mood.FAINT)


def _in_force(queue: QueueStatus, status: StackStatus) -> Iterator[str]:
    """The entry in force of each pool's schedule, as `hot 10 until 18:00 (Mon-Fri 08:00-18:00)`."""
    for name, _, target in _targets(queue):
        if target.next_change is not None:
            because = "" if target.reason == DEFAULT else f" ({target.reason})"
            yield f"{name} {target.value} until {at(target.next_change, status.now)}{because}"


def _wrong(queue: QueueStatus, status: StackStatus) -> Iterator[Block]:
    """What needs a person, below the table; of a single queue, every reason."""
    for problem in queue.problems:
        yield from bad_value(queue.queue, problem)
    for each in queue.reasons:
        if each.code.needs_person or len(status.queues) == 1:
            yield line(queue.queue, "  ", *told(each, status.now))
            if todo := remedy(each, queue.queue, None):
                yield Hint(todo)
            if owned := of_security_owners(each, queue.queue):
                yield Hint(owned)


def _failed(queue: QueueStatus, status: StackStatus) -> Iterator[Block]:
    """How many jobs failed lately, and the latest; of a single queue the ones before it, too."""
    found = queue.failures
    span = status.now - found.since
    within = "hour" if span == HOUR else lasted(span)
    for group in found.groups:
        first, *others = group.latest
        ago = lasted(status.now - first.since)
        yield line(
            *(queue.queue, "  ", Span(group.outcome.upper(), Mood.NOTICE)),
            f" {count(group.jobs, 'job')} in the last {within}, the latest {ago} ago: ",
            _failure(first),
        )
        for job in others if len(status.queues) == 1 else ():
            yield line(f"{at(job.since, status.now, seconds=True)}  {_failure(job)}", indent=2)
    if found.groups:
        yield Hint(f"mayfly jobs {queue.queue} --failed")


def _failure(job: Job) -> str:
    return f"{job.title}: {cut(in_short(job.reason), LONGEST)}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 10 else lasted(timedelta(seconds=round(seconds)))
