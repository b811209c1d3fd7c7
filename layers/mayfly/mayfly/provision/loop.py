"""The loop of `provision`: ticks until nothing is left to launch."""

from __future__ import annotations

from datetime import timedelta

from mayfly.provision import tick as provision
from mayfly.provision.ports import ProvisionPorts
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome

PROVISION_PACE = timedelta(seconds=2)


def provision_until_quiet(ports: ProvisionPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick until a tick launches nothing and leaves nothing, or time is up.

    One tick starts at most one launch per queue. Returns the outcomes of all ticks, added up.
    """
    total = Outcome()
    while True:
        started = edge.clock()
        outcome = provision.tick(ports, started, nudged=nudged)
        total.add(outcome)
        if not outcome.launched and not outcome.unfinished:
            return total
        pace = PROVISION_PACE if outcome.unfinished else timedelta(0)
        if not edge.wait(started, pace):
            return total
