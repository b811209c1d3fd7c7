"""Many seeds, over several processes."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace

from mayfly_lab.sim.plan import Plan
from mayfly_lab.sim.run import Result, run
from mayfly_lab.sim.shrink import shortest

_AT_ONCE = 5
"""Seeds that a process takes at a time: a stop waits for them."""
_LOOK = 0.5


@dataclass(slots=True)
class Total:
    """What many runs add up to."""

    first: int = 0
    """The first seed."""
    seeds: int = 0
    calls: int = 0
    seconds: float = 0.0
    """Virtual seconds of all runs."""
    jobs: int = 0
    launches: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """How often each fault happened."""
    failed: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Add a run."""
        self.seeds += 1
        self.calls += result.calls
        self.seconds += result.seconds
        self.jobs += result.jobs
        self.launches += result.launches
        self.faults.update(fault for fault, _ in map(_fault, result.events) if fault)
        if result.violations:
            self.failed.append(result)


@dataclass(frozen=True, slots=True)
class Short:
    """A failing run, and the shortest like it that was found."""

    result: Result
    events: tuple[str, ...]


def run_all(
    seeds: Sequence[int], plan: Plan, most_failed: int, check: Callable[[], object]
) -> Iterator[Result]:
    """Run the seeds, and yield each result as it comes; ends early after so many failed ones.

    `check` is called again and again, and may raise to end all runs.
    """
    parts = [seeds[at : at + _AT_ONCE] for at in range(0, len(seeds), _AT_ONCE)]
    failed = 0
    pool = ProcessPoolExecutor(max_workers=os.cpu_count(), initializer=_ignore_signals)
    try:
        waiting = {pool.submit(_run_some, part, plan) for part in parts}
        while waiting and failed < most_failed:
            done, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_COMPLETED)
            check()
            for each in done:
                for result in each.result():
                    failed += bool(result.violations)
                    yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_signals() -> None:
    """Ctrl-C reaches every process of the terminal: this one's parent ends the work."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)


def _run_some(seeds: Sequence[int], plan: Plan) -> list[Result]:
    return [run(seed, plan) for seed in seeds]


def shorten(result: Result, plan: Plan, seconds: float) -> Short:
    """Look for a shorter run that violates the same invariant, for at most so many seconds."""
    name = invariant(result)
    until = time.monotonic() + seconds

    def fails(kept: Collection[str]) -> bool:
        if time.monotonic() >= until:
            return False
        again = run(result.seed, replace(plan, kept=frozenset(kept)))
        return bool(again.violations) and invariant(again) == name

    return Short(result, shortest(result.events, fails))


def invariant(result: Result) -> str:
    """The name of the first invariant that a failing run violates."""
    return result.violations[0].partition(":")[0]


def _fault(event: str) -> tuple[str, str]:
    """Fault and place of an event; no fault for what people do anyway."""
    place, _, fault = event.rpartition(": ")
    return (fault, place) if place else ("", event)
