"""The rhythm of `dispatch`: how often a loop lists queues and reads records and job states."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mayfly.dispatch.lease import Hold
from mayfly.dispatch.notes import PATIENCE
from mayfly.dispatch.state_reads import StateReads
from mayfly.dispatch.view import LastTick, Turn
from mayfly.records.model import QueueRecord
from mayfly.tick.edge import Timer

LISTS_AT_ONCE = 4
"""Queues listed in one tick."""
LISTS = 8
"""Lists in any one second, of the 10 that Buildkite allows a stack. The adapter refuses more."""
LISTS_PERIOD = timedelta(seconds=1.125)
"""Plan 8 lists per 1.125 s, so a late start can never make 9 in one second."""
OVERLAP_PACE = LISTS_PERIOD / 2
"""Pace of lists while the former lease holder may still list: 2 per 1.125 s, one queue each.

These 2 and the former holder's 8 are Buildkite's 10.
"""
QUIET_PACE = timedelta(seconds=0.25)
"""Pace of lists while there is neither a job nor a ready instance."""
IDLE_READ = timedelta(seconds=1)
"""How often the records are read while no job is listed or claimed."""
FASTEST_PACE = LISTS_PERIOD / LISTS
"""Pace of ticks while a job waits for an instance: only the records show that one is ready."""
QUEUE_SHARE = timedelta(seconds=0.0625)
"""Time for the records of one queue: ticks of n queues begin at least n times this apart."""
READ_STATES = timedelta(seconds=1)
"""How often Buildkite's states of claimed jobs are read."""
READ_QUEUES = timedelta(seconds=1)
"""How often the queue records are read."""
READ_RUNNING = timedelta(seconds=15)
"""How often running claims are read too."""


@dataclass(slots=True)
class Rhythm:
    """Plans the ticks of one loop: what each tick reads, and when the next tick begins."""

    queue_reads: Timer = field(default_factory=lambda: Timer(READ_QUEUES))
    _state_reads: Timer = field(default_factory=lambda: Timer(READ_STATES))
    _wide_reads: Timer = field(default_factory=lambda: Timer(READ_RUNNING))
    _idle_reads: Timer = field(default_factory=lambda: Timer(IDLE_READ))
    _busy: bool = True
    """Whether the last tick saw jobs; then the next tick reads records beside the lists."""
    _seen: Mapping[str, LastTick] = field(default_factory=dict)
    _rounds: int = 0
    _list_at: datetime | None = None
    """When the next list is due; None while a tick that lists is under way."""

    def turn(
        self, queues: tuple[QueueRecord, ...], held: Hold, now: datetime, states: StateReads
    ) -> Turn:
        """The turn of the tick that begins now.

        No states are read while an earlier tick's read is kept. The tick that takes its answer is
        as wide as the tick that began it, and each other wide tick reads states: without both, a
        slow Buildkite would never tell of running claims, which wide ticks alone have.
        """
        fence = held.lease.fence
        named = frozenset[str]()
        if self._list_at is None or now >= self._list_at:
            at_once = 1 if held.overlaps(now) else LISTS_AT_ONCE
            named, self._list_at = listed(queues, self._rounds, at_once), None
            self._rounds += 1
        lists_first = not self._idle_reads.due(now) and not self._busy
        reads_states = not lists_first and not states.kept and self._state_reads.due(now)
        wide = reads_states and self._wide_reads.due(now)
        if states.kept and not states.under_way and not lists_first:
            wide = states.wide
        explains = now - PATIENCE if wide else None
        return Turn(
            *(queues, named, fence, wide, reads_states, lists_first, self._seen),
            explains=explains,
            handed_over=held.handed_over,
        )

    def time_to_next(
        self, turn: Turn, seen: Mapping[str, LastTick], held: Hold, began: datetime
    ) -> timedelta:
        """Time from `began`, the start of this tick, to the start of the next tick."""
        self._seen = seen
        self._busy = any(each.jobs for each in seen.values())
        if self._list_at is None:
            ready = any(each.ready for each in seen.values())
            pace = pace_of(turn.listed, fast=self._busy or ready)
            self._list_at = began + (max(pace, OVERLAP_PACE) if held.overlaps(began) else pace)
        fastest = max(FASTEST_PACE, len(turn.queues) * QUEUE_SHARE)
        left = self._list_at - began
        return min(fastest, left) if any(each.waits for each in seen.values()) else left


def listed(
    queues: Sequence[QueueRecord], turn: int, at_once: int = LISTS_AT_ONCE
) -> frozenset[str]:
    """The queues to list in this turn: all active queues, or `at_once` of them in rotation."""
    names = sorted(record.queue for record in queues if record.active)
    if len(names) <= at_once:
        return frozenset(names)
    start = turn * at_once % len(names)
    return frozenset((names + names)[start : start + at_once])


def pace_of(queues: Collection[str], *, fast: bool) -> timedelta:
    """Time from the start of a tick that listed these queues to the next list."""
    fastest = LISTS_PERIOD / (LISTS // max(1, len(queues)))
    return fastest if fast else max(fastest, QUIET_PACE)
