"""The loop of `dispatch`: ticks until the next invocation takes the lease."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing

from mayfly.dispatch import tick as dispatch
from mayfly.dispatch.environments import Environments
from mayfly.dispatch.lease import Hold, hold
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.rhythm import QUIET_PACE, Rhythm
from mayfly.errors import Conflict, NotFound, Transient
from mayfly.ports import Buildkite
from mayfly.records.about import about
from mayfly.records.model import QueueRecord
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")


def dispatch_until_replaced(ports: DispatchPorts, owner: str, holder: str, edge: Edge) -> Outcome:
    """Run the loop with reads of environments of its own. See `_loop`."""
    with closing(Environments(ports.buildkite)) as environments:
        return _loop(ports, owner, holder, edge, environments)


def _loop(
    ports: DispatchPorts, owner: str, holder: str, edge: Edge, environments: Environments
) -> Outcome:
    """Take the lease and tick until the next invocation takes it, or time is up.

    Returns the outcomes of all ticks, added up. Raises Misconfigured when Buildkite refuses the
    token or the stack key belongs to another owner.
    """
    total, registered, rhythm = Outcome(), False, Rhythm()
    held: Hold | None = None
    queues: tuple[QueueRecord, ...] = ()
    while True:
        started, pace = edge.clock(), QUIET_PACE
        try:
            held = hold(ports.fleet, held, holder, started)
            if rhythm.queue_reads.due(started):
                queues = tuple(ports.fleet.queues())
            registered = registered or _register(ports.buildkite, queues, owner, total)
        except Conflict:
            log.info("another invocation has taken the lease")
            return total
        except Transient as error:
            total.failed("lease, queue records and registration", error)
        else:
            if registered:
                turn = rhythm.turn(queues, held, started)
                outcome, seen = dispatch.tick(ports, turn, started, environments)
                total.add(outcome)
                pace = rhythm.time_to_next(turn, seen, held, started)
        if not edge.wait(started, pace):
            return total


def _register(
    buildkite: Buildkite, queues: Sequence[QueueRecord], owner: str, total: Outcome
) -> bool:
    """Register the stack with the first queue that Buildkite knows. False: it knows none."""
    for record in queues:
        try:
            buildkite.register(record.queue, owner)
        except NotFound:
            unknown = Outcome()
            unknown.problem(f"Buildkite does not know queue {record.queue}", about([record]))
            total.add(unknown)
        else:
            return True
    return False
