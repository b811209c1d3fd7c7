"""Ticks one after the other within one invocation, for as long as there is cause."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.errors import Conflict, NotFound, Transient
from mayfly.lease import Hold, hold
from mayfly.model import QueueRecord
from mayfly.ports import Buildkite
from mayfly.ticks import dispatch, provision, sandbox
from mayfly.ticks.dispatch_gather import DispatchPorts
from mayfly.ticks.outcome import Outcome
from mayfly.ticks.provision import ProvisionPorts
from mayfly.ticks.rhythm import QUIET, Every, Rhythm
from mayfly.ticks.sandbox import SandboxPorts

log = logging.getLogger("mayfly")

SANDBOX_PACE = timedelta(seconds=1)
IMMINENT_PACE = timedelta(seconds=0.125)
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


def dispatch_until_replaced(ports: DispatchPorts, owner: str, holder: str, edge: Edge) -> Outcome:
    """Take the lease and tick until the next invocation takes it over, or time is up.

    Raises Misconfigured when Buildkite refuses the token or the stack key is somebody else's.
    """
    total, registered, rhythm = Outcome(), False, Rhythm()
    held: Hold | None = None
    queues: tuple[QueueRecord, ...] = ()
    while True:
        started, pace = edge.clock(), QUIET
        try:
            held = hold(ports.fleet, held, holder, started)
            if rhythm.reads.due(started):
                queues = tuple(ports.fleet.queues())
            registered = registered or _register(ports.buildkite, queues, owner, total)
        except Conflict:
            log.info("another invocation has taken over")
            return total
        except Transient as error:
            total.failed("lease and queues", error)
        else:
            if registered:
                turn = rhythm.turn(queues, held, started)
                ticked = dispatch.tick(ports, turn, started)
                total.add(ticked.outcome)
                pace = rhythm.after(turn, ticked, held, started)
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


def sandbox_while_open(ports: SandboxPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick while instances are on their way: each second, and faster while a swap is under way.

    A nudged invocation stays only for what is imminent: it holds up the stream's next record.
    """
    total, wide = Outcome(), Every(SANDBOX_PACE)
    while True:
        started = edge.clock()
        looked = sandbox.tick(ports, started, wide=wide.due(started))
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
