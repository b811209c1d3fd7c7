"""The loop of `dispatch`: ticks until the next invocation takes the lease."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from mayfly.dispatch import tick as dispatch
from mayfly.dispatch.heard import heard, why_unheard
from mayfly.dispatch.lease import Hold, hold
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.ports import DispatchPorts
from mayfly.dispatch.rhythm import QUIET_PACE, Rhythm
from mayfly.errors import FAILURES, Conflict, ForeignStack, NotFound, Transient
from mayfly.ports import Buildkite
from mayfly.records.about import about
from mayfly.records.model import QueueRecord
from mayfly.records.standing import DISPATCH
from mayfly.records.why import Why
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Left, Outcome
from mayfly.tick.standings import Standings

log = logging.getLogger("mayfly")


def dispatch_until_replaced(ports: DispatchPorts, owner: str, holder: str, edge: Edge) -> Outcome:
    """Run the loop with long reads of its own. See `_loop`.

    `idle` of the outcome is set where Buildkite or the records gave no answer all along.
    """
    with closing(LongReads.of(ports, Standings(ports.fleet, DISPATCH))) as long:
        total, answered = _loop(ports, owner, holder, edge, long)
    if not answered and total.left[Left.TRANSIENT]:
        total.idle = Transient("Buildkite or the records did not answer: no job was taken")
    return total


def _loop(
    ports: DispatchPorts, owner: str, holder: str, edge: Edge, long: LongReads
) -> tuple[Outcome, bool]:
    """Take the lease and tick until the next invocation takes it, or time is up.

    Returns the outcomes of all ticks, added up, and whether lease, queue records and registration
    were answered once. Raises ForeignStack when the stack key belongs to another owner. Without a
    queue that Buildkite accepts, or with a refused token, the ticks do what needs no list: settle
    claims by the records, and nudge.
    """
    total, registered, rhythm = Outcome(), False, Rhythm()
    unheard: Why | None = None
    read = answered = False
    held: Hold | None = None
    queues: tuple[QueueRecord, ...] = ()
    while True:
        started, pace = edge.clock(), QUIET_PACE
        left = total.left[Left.TRANSIENT]
        try:
            held = hold(ports.fleet, held, holder, started)
            if rhythm.queue_reads.due(started):
                queues = tuple(ports.fleet.queues())
                read = True
            registered = registered or _register(ports.buildkite, queues, owner, total)
        except Conflict:
            log.info("another invocation has taken the lease")
            return total, answered
        except Transient as error:
            total.failed("lease and queue records", error)
        else:
            answered = answered or (read and total.left[Left.TRANSIENT] == left)
            turn = rhythm.turn(queues, held, started, long.states)
            if not registered:
                unheard = why_unheard(total.refusal, unheard, started)
                turn = replace(turn, listed=frozenset(), lists_first=False, unheard=unheard)
            outcome, seen = dispatch.tick(ports, turn, started, long, total.told)
            total.add(outcome)
            said = held.lease.buildkite
            held = held.hears(heard(said, seen.values(), unheard, registered=registered))
            pace = rhythm.time_to_next(turn, seen, held, started)
        if not edge.wait(started, pace):
            return total, answered


def _register(
    buildkite: Buildkite, queues: Sequence[QueueRecord], owner: str, total: Outcome
) -> bool:
    """Register the stack with the first queue that Buildkite accepts. False: it accepts none.

    A refused queue is a problem of this queue alone. Raises ForeignStack.
    """
    for record in queues:
        refused = Outcome(told=total.told)
        try:
            buildkite.register(record.queue, owner)
        except ForeignStack:
            raise
        except NotFound:
            refused.problem(f"Buildkite does not know queue {record.queue}", about([record]))
        except FAILURES as error:
            refused.failed(f"registration of queue {record.queue}", error, about([record]))
        else:
            return True
        total.add(refused)
        if refused.refusal is not None:
            break
    return False
