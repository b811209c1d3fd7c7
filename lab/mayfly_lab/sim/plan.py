"""What all runs of one command share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mayfly_lab.sim.traces import Arrival


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates of faults, arrivals of jobs, and the only events that may happen."""

    rates: Mapping[str, float]
    arrivals: Sequence[Arrival] = ()
    """Empty: each seed makes its own."""
    kept: frozenset[str] | None = None
    """None: all events."""
