"""Ticks one after the other within one invocation, for as long as there is cause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.errors import Conflict, NotFound, Transient
from mayfly.lease import Hold, hold
from mayfly.model import QueueRecord
from mayfly.ports import Buildkite
from mayfly.ticks import dispatch, provision, sandbox
from mayfly.ticks.dispatch import DispatchPorts, Known, Turn
from mayfly.ticks.outcome import Outcome
from mayfly.ticks.provision import ProvisionPorts
from mayfly.ticks.sandbox import SandboxPorts

log = logging.getLogger("mayfly")

LOOK = timedelta(seconds=1)
"""How often the queues' records are read anew."""
LISTS_AT_ONCE = 4
"""Queues listed in one tick."""
LIST_EVERY = timedelta(seconds=0.125)
"""What a list costs of the pace: 8 a second, of the 10 that Buildkite allows."""
BUSY, IDLE = timedelta(seconds=0.25), timedelta(seconds=0.5)
"""Between two ticks: with jobs or ready instances and few queues, and with nothing to do."""
ASK = timedelta(seconds=1)
"""How often Buildkite is asked how the jobs of claims stand."""
WIDE = timedelta(seconds=15)
"""How often running claims are looked at too."""
SANDBOX_PACE = timedelta(seconds=1)
IMMINENT_PACE = timedelta(seconds=0.25)
PROVISION_PACE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Edge:
    """Where time comes in: the clock, the wait between two ticks, and the end of the invocation."""

    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    stop_at: datetime

    def wait(self, started: datetime, pace: timedelta) -> bool:
        """Wait until `pace` after `started`; False when the invocation's time is over first."""
        now = self.clock()
        due = started + pace
        if max(due, now) >= self.stop_at:
            return False
        if due > now:
            self.sleep((due - now).total_seconds())
        return True


@dataclass(slots=True)
class Every:
    """What is due at once, and then at most once in `interval`."""

    interval: timedelta
    at: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether it is time; if so, the next time is `interval` from now."""
        if self.at is not None and now < self.at:
            return False
        self.at = now + self.interval
        return True


def dispatch_until_replaced(ports: DispatchPorts, owner: str, holder: str, edge: Edge) -> Outcome:
    """Take the lease and tick until the next invocation takes it over, or time is up.

    Raises Misconfigured when Buildkite refuses the token or the stack key is somebody else's.
    """
    total = Outcome()
    held: Hold | None = None
    registered = False
    queues: tuple[QueueRecord, ...] = ()
    reads, asks, wide = Every(LOOK), Every(ASK), Every(WIDE)
    known, turn = Known(), 0
    while True:
        started, pace = edge.clock(), IDLE
        try:
            held = hold(ports.fleet, held, holder, started)
            if reads.due(started):
                queues = tuple(ports.fleet.queues())
            registered = registered or _register(ports.buildkite, queues, owner, total)
        except Conflict:
            log.info("another invocation has taken over")
            return total
        except Transient as error:
            total.failed("lease and queues", error)
        else:
            if registered:
                named, fence = listed(queues, turn), held.lease.fence
                looks = Turn(queues, named, fence, wide.due(started), asks.due(started), known)
                ticked = dispatch.tick(ports, looks, started)
                total.add(ticked.outcome)
                known, turn = ticked.known, turn + 1
                pace = pace_of(named, busy=ticked.busy)
        if not edge.wait(started, pace):
            return total


def _register(
    buildkite: Buildkite, queues: Sequence[QueueRecord], owner: str, total: Outcome
) -> bool:
    """Register the stack by the first queue that Buildkite knows; whether that came off."""
    for record in queues:
        try:
            buildkite.register(record.queue, owner)
        except NotFound:
            total.add(Outcome(problems=[f"Buildkite does not know queue {record.queue}"]))
        else:
            return True
    return False


def listed(queues: Sequence[QueueRecord], turn: int) -> frozenset[str]:
    """The queues to list in this turn: all of a few, some of many in rotation."""
    names = sorted(record.queue for record in queues if record.active)
    if len(names) <= LISTS_AT_ONCE:
        return frozenset(names)
    start = turn * LISTS_AT_ONCE % len(names)
    return frozenset((names + names)[start : start + LISTS_AT_ONCE])


def pace_of(queues: Collection[str], *, busy: bool) -> timedelta:
    """How long after a tick that listed these queues the next may begin."""
    return max(BUSY if busy else IDLE, len(queues) * LIST_EVERY)


def sandbox_while_open(ports: SandboxPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick while instances are on their way: each second, and faster while a swap is under way.

    A nudged invocation stays only for what is imminent: it holds up the stream's next record.
    """
    total = Outcome()
    while True:
        started = edge.clock()
        looked = sandbox.tick(ports, started)
        total.add(looked.outcome)
        if not looked.imminent and (nudged or not looked.open_work):
            return total
        if not edge.wait(started, IMMINENT_PACE if looked.imminent else SANDBOX_PACE):
            return total


def provision_until_quiet(ports: ProvisionPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick until there is nothing more to start: a tick starts one launch a queue at most."""
    total = Outcome()
    while True:
        started = edge.clock()
        outcome = provision.tick(ports, started, nudged=nudged)
        total.add(outcome)
        if not outcome.done["Start"] and not outcome.left:
            return total
        pace = PROVISION_PACE if outcome.left else timedelta(0)
        if not edge.wait(started, pace):
            return total
