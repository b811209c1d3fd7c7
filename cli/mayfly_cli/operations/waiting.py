"""How long jobs waited, from the times of their claims. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mayfly.records.model import Claim


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Waits from runnable to accepted, in seconds."""

    jobs: int
    p50: float
    p99: float


def wait_of(claim: Claim) -> float | None:
    """Seconds from runnable to accepted; None while no agent has had the job."""
    if claim.phases.accepted is None:
        return None
    return max((claim.phases.accepted - claim.runnable_at).total_seconds(), 0.0)


def percentiles(claims: Iterable[Claim]) -> Percentiles | None:
    """Percentiles of the waits of claims whose jobs began; None without any."""
    waits = sorted(wait for wait in map(wait_of, claims) if wait is not None)
    if not waits:
        return None
    return Percentiles(len(waits), nearest(waits, 50), nearest(waits, 99))


def nearest(values: Sequence[float], percent: int) -> float:
    """The nearest-rank percentile of sorted values, which is one of them."""
    return round(values[max(math.ceil(len(values) * percent / 100) - 1, 0)], 3)
