"""Ticks of `provision` one after the other, until nothing more is to be launched."""

from __future__ import annotations

from datetime import timedelta

from mayfly.provision import tick as provision
from mayfly.provision.ports import ProvisionPorts
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome

PROVISION_PACE = timedelta(seconds=2)


def provision_until_quiet(ports: ProvisionPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick until there is nothing more to start: a tick starts one launch a queue at most."""
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
