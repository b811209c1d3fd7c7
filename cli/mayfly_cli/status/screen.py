"""`mayfly status` for a screen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from mayfly.config.problem import printable
from mayfly_cli.operations.reasons import mood, remedy, title
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

_HEADS = columns(
    "QUEUE", ">HOT", ">COMING", ">RUNNING", ">OF MAX", ">WAITING", ">OLDEST", ">P50/P99", "NOTE"
)


def document(status: StackStatus) -> Document:
    """A head line, a row for each queue, and what needs a person with what to do.

    A single queue shows why its pool has this target, too.
    """
    found: list[Block] = [_head(status)]
    found.append(table(_HEADS, [_row(each, status) for each in status.queues]))
    if len(status.queues) == 1 and status.queues[0].hot_reason:
        found.append(_pool(status.queues[0], status))
    wrong = [block for each in status.queues for block in _wrong(each, status)]
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


def _row(queue: QueueStatus, status: StackStatus) -> tuple[Cell, ...]:
    waits = queue.waits
    shown = "-" if waits is None else f"{_seconds(waits.p50)}/{_seconds(waits.p99)}"
    lacking = Mood.NOTICE if queue.hot < queue.hot_target else Mood.PLAIN
    full = Mood.NOTICE if queue.live >= queue.max_instances else Mood.PLAIN
    return (
        queue.queue,
        Span(f"{queue.hot}/{queue.hot_target}", lacking),
        str(queue.coming),
        str(queue.running),
        Span(f"{queue.live}/{queue.max_instances}", full),
        str(queue.waiting),
        "-" if queue.oldest is None else lasted(queue.oldest),
        shown,
        _note(queue, status),
    )


def _pool(queue: QueueStatus, status: StackStatus) -> Block:
    """Why the pool has its target: an entry of the schedule `pool/hot`, or the schedule's count."""
    changes = queue.hot_next_change
    later = "no change is due" if changes is None else f"next change at {at(changes, status.now)}"
    because = f'because of "{queue.hot_reason}"' if queue.hot_reason != "default" else "by default"
    return line(f"hot {queue.hot}/{queue.hot_target} {because}; {later}")


def _note(queue: QueueStatus, status: StackStatus) -> Cell:
    if not queue.active:
        return Span("BEING DELETED", Mood.NOTICE)
    if queue.reasons:
        first = queue.reasons[0]
        more = f" (+{len(queue.reasons) - 1})" if len(queue.reasons) > 1 else ""
        tries = ""
        if first.next_try is not None and first.next_try > status.now:
            tries = f", try in {lasted(first.next_try - status.now)}"
        return Span(f"{title(first)} {first.text}{tries}{more}", mood(first))
    if queue.problems:
        return Span("BAD VALUE", Mood.BAD)
    if queue.hot_next_change is not None:
        return Span(f"pool changes at {at(queue.hot_next_change, status.now)}", Mood.FAINT)
    return ""


def _wrong(queue: QueueStatus, status: StackStatus) -> Iterator[Block]:
    """What needs a person, below the table."""
    for problem in queue.problems:
        yield line(queue.queue, "  ", Span("BAD VALUE", Mood.BAD), f" {printable(problem, 400)}")
        yield Hint(f"mayfly get {queue.queue} {problem.split()[0].rstrip(':')}")
    for each in queue.reasons:
        if each.code.needs_person:
            since = f" (since {at(each.since, status.now)})"
            yield line(queue.queue, "  ", Span(title(each), Mood.BAD), f" {each.text}{since}")
            if todo := remedy(each, queue.queue, None):
                yield Hint(todo)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}s" if seconds < 10 else lasted(timedelta(seconds=round(seconds)))
