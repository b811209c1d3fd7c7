"""Ticks of `sandbox` one after the other, while instances are on their way."""

from __future__ import annotations

from datetime import timedelta

from mayfly.sandbox import tick as sandbox
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.edge import Edge, Every
from mayfly.tick.outcome import Outcome

SANDBOX_PACE = timedelta(seconds=1)
IMMINENT_PACE = timedelta(seconds=0.125)


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
