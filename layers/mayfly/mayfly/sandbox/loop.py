"""The loop of `sandbox`: ticks while instances are on their way to ready."""

from __future__ import annotations

from datetime import timedelta

from mayfly.sandbox import tick as sandbox
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.edge import Edge, Timer
from mayfly.tick.outcome import Left, Outcome

SANDBOX_PACE = timedelta(seconds=1)
IMMINENT_PACE = timedelta(seconds=0.125)


def sandbox_while_open(ports: SandboxPorts, edge: Edge, *, nudged: bool) -> Outcome:
    """Tick while instances are on their way: each second, faster while a change is imminent.

    A nudged invocation ends when no change is imminent, because it holds up the stream's next
    record. Returns the outcomes of all ticks, added up.
    """
    total, wide = Outcome(), Timer(SANDBOX_PACE)
    while True:
        started = edge.clock()
        result = sandbox.tick(ports, edge, wide=wide.due(started), told=total.told)
        total.add(result.outcome)
        if not result.imminent and (nudged or not result.open_work):
            return total
        # What AWS throttles is asked for again after a second: soon enough, and no storm.
        soon = result.imminent and not result.outcome.left[Left.TRANSIENT]
        if not edge.wait(started, IMMINENT_PACE if soon else SANDBOX_PACE):
            return total
