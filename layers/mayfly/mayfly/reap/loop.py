"""The invocation of `reap`: one tick over all instances, then a second look where a job waits."""

from __future__ import annotations

from datetime import timedelta

from mayfly.reap import tick as reap
from mayfly.reap.ports import ReapPorts
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome


def reap_and_look_again(ports: ReapPorts, edge: Edge) -> Outcome:
    """Tick, then look again at hosts that have not taken their job, when each is overdue.

    A job that was given to a dead host must not wait for the next minute too. Returns the outcomes
    added up.
    """
    total = Outcome()
    awaited = reap.tick_all(ports, edge, total)
    for instance_id, due in sorted(awaited.items(), key=lambda each: (each[1], each[0])):
        if not edge.wait(due, timedelta(0)):
            break
        total.add(reap.on_overdue(ports, instance_id, edge))
    return total
