"""Statistics of many durations: percentiles, shares, and goals met or missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, quantiles

from mayfly_lab.bench.phases import PHASES

PERCENTS = (50, 90, 99)
GOALS: Mapping[int, float] = {50: 1.5, 99: 2.5}
"""By percentile: the most seconds from runnable to first output."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Statistics of one phase, or of the whole wait, over all jobs. Seconds."""

    percentiles: Mapping[int, float]
    mean: float
    share: float
    """Share of the sum of all jobs' whole waits, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of one run of the bench."""

    jobs: int
    phases: Mapping[str, Figures]
    whole: Figures

    def goals(self) -> Iterator[tuple[int, float, bool]]:
        """For each goal: percentile, seconds, and whether the goal was met."""
        for percent, goal in GOALS.items():
            yield percent, goal, self.whole.percentiles[percent] <= goal


def summary(ways: Sequence[Mapping[str, float]]) -> Summary:
    """Statistics of `ways`, the seconds by phase of each job.

    Raises:
        ValueError: `ways` is empty.
    """
    if not ways:
        raise ValueError("no job started its command")
    wholes = [sum(way.values()) for way in ways]
    total = sum(wholes)
    phases = {phase.name: figures([way[phase.name] for way in ways], total) for phase in PHASES}
    return Summary(len(ways), phases, figures(wholes, total))


def figures(seconds: Sequence[float], total: float) -> Figures:
    """Statistics of one phase's durations; `total` is the sum of all phases of all jobs."""
    cuts = quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else [seconds[0]] * 99
    return Figures(
        percentiles={percent: cuts[percent - 1] for percent in PERCENTS},
        mean=fmean(seconds),
        share=sum(seconds) / total if total else 0.0,
    )


def table(found: Summary) -> Iterator[str]:
    """Lines: one row for each phase and the whole, then the goals."""
    yield f"{'seconds':<26}" + "".join(f"{f'p{p}':>7}" for p in PERCENTS) + "   mean  share"
    for name, of_phase in found.phases.items():
        yield _row(name, of_phase)
    yield _row("runnable to first output", found.whole)
    for percent, goal, met in found.goals():
        yield f"goal p{percent} at most {goal:g} s: {'met' if met else 'MISSED'}"


def _row(name: str, of_phase: Figures) -> str:
    cells = "".join(f"{of_phase.percentiles[p]:>7.2f}" for p in PERCENTS)
    return f"{name:<26}{cells}{of_phase.mean:>7.2f}{of_phase.share:>6.0%}"
