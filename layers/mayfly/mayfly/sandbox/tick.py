"""One tick of `sandbox`: follow reports, replace profiles, check proofs."""

from __future__ import annotations

from dataclasses import dataclass

from mayfly.errors import FAILURES
from mayfly.sandbox.apply import carry_out
from mayfly.sandbox.decide import decide, imminent
from mayfly.sandbox.gather import gather
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome, Told


@dataclass(frozen=True, slots=True)
class TickResult:
    """The result of one tick."""

    outcome: Outcome
    open_work: bool
    """Whether instances are on their way to ready; True when they could not be read."""
    imminent: bool
    """Whether an instance is about to change."""


def tick(ports: SandboxPorts, edge: Edge, *, wide: bool, told: Told | None = None) -> TickResult:
    """Gather, decide, apply. A wide tick also reads from EC2 whether profiles were replaced.

    `told` is what the invocation has logged.
    """
    outcome, now = Outcome(told=set() if told is None else told), edge.clock()
    try:
        view = gather(ports, outcome, wide=wide)
    except FAILURES as error:
        outcome.failed("instances on their way", error)
        return TickResult(outcome, open_work=True, imminent=False)
    carry_out(decide(view, now), ports, outcome, edge)
    open_work = bool(view.instances) or outcome.unfinished
    return TickResult(outcome, open_work, imminent(view, now))
