"""How often a loop of `dispatch` looks at what."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mayfly.dispatch.lease import Hold
from mayfly.dispatch.view import Seen, Turn
from mayfly.records.model import QueueRecord
from mayfly.tick.edge import Every

LISTS_AT_ONCE = 4
"""Queues listed in one tick."""
LISTS = 8
"""Lists in any second, of the 10 that Buildkite allows a stack. The adapter refuses more."""
LISTS_PERIOD = timedelta(seconds=1.125)
"""Plan 8 lists per 1.125 s, so a late start can never make 9 in one second."""
BESIDE = LISTS_PERIOD / 2
"""Between two lists, of one queue each, beside an invocation that may list too: the other 2."""
QUIET = timedelta(seconds=0.25)
"""Between two lists while there is no job, and no instance that is ready for one."""
IDLE = timedelta(seconds=1)
"""Between two looks at the records while no job is there or waits."""
KEEN = LISTS_PERIOD / LISTS
"""Between two ticks while a job waits for its instance; the records tell when there is one."""
READ_EVERY = timedelta(seconds=0.0625)
"""What a queue's records cost of that pace."""
ASK = timedelta(seconds=1)
"""How often Buildkite is asked how the jobs of claims stand."""
READ = timedelta(seconds=1)
"""How often the queues' records are read anew."""
WIDE = timedelta(seconds=15)
"""How often running claims are looked at too."""


@dataclass(slots=True)
class Rhythm:
    """What each tick of one loop looks at, and when the next one begins."""

    reads: Every = field(default_factory=lambda: Every(READ))
    _asks: Every = field(default_factory=lambda: Every(ASK))
    _wide: Every = field(default_factory=lambda: Every(WIDE))
    _looks: Every = field(default_factory=lambda: Every(IDLE))
    _busy: bool = True
    """Whether there were jobs at the last tick, so that the next reads the records as it lists."""
    _seen: Mapping[str, Seen] = field(default_factory=dict)
    _rounds: int = 0
    _list_at: datetime | None = None
    """When the next list is due; None: in the tick that has begun."""

    def turn(self, queues: tuple[QueueRecord, ...], held: Hold, now: datetime) -> Turn:
        """What the tick that begins now looks at."""
        fence = held.lease.fence
        named = frozenset[str]()
        if self._list_at is None or now >= self._list_at:
            at_once = 1 if held.shared(now) else LISTS_AT_ONCE
            named, self._list_at = listed(queues, self._rounds, at_once), None
            self._rounds += 1
        glance = not self._looks.due(now) and not self._busy
        wide, asks = not glance and self._wide.due(now), not glance and self._asks.due(now)
        return Turn(queues, named, fence, wide, asks, glance, self._seen)

    def after(self, turn: Turn, seen: Mapping[str, Seen], held: Hold, began: datetime) -> timedelta:
        """How long after `began`, when this tick did, the next one does."""
        self._seen = seen
        self._busy = any(each.jobs for each in seen.values())
        if self._list_at is None:
            ready = any(each.ready for each in seen.values())
            pace = pace_of(turn.listed, fast=self._busy or ready)
            self._list_at = began + (max(pace, BESIDE) if held.shared(began) else pace)
        keen = max(KEEN, len(turn.queues) * READ_EVERY)
        left = self._list_at - began
        return min(keen, left) if any(each.waits for each in seen.values()) else left


def listed(
    queues: Sequence[QueueRecord], turn: int, at_once: int = LISTS_AT_ONCE
) -> frozenset[str]:
    """The queues to list in this turn: all of a few, some of many in rotation."""
    names = sorted(record.queue for record in queues if record.active)
    if len(names) <= at_once:
        return frozenset(names)
    start = turn * at_once % len(names)
    return frozenset((names + names)[start : start + at_once])


def pace_of(queues: Collection[str], *, fast: bool) -> timedelta:
    """How long after a tick that listed these queues the next list may begin."""
    fastest = LISTS_PERIOD / (LISTS // max(1, len(queues)))
    return fastest if fast else max(fastest, QUIET)
