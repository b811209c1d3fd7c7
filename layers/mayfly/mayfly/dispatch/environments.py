"""Reads environments of jobs side by side, within a budget of time for each tick.

Not by `tick/side_by_side.py`: a read that outlasts its tick is kept for a later tick.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

from mayfly.errors import FAILURES, NotFound
from mayfly.ports import Buildkite
from mayfly.records.about import fields
from mayfly.tick.outcome import Outcome

SIDE_BY_SIDE = 8
BUDGET = 0.5
"""Seconds that one tick waits for environments: other queues' jobs wait for the tick."""

MOST_KEPT = 200
"""Reads that are kept for later ticks; beyond that, reads of jobs that nobody wants are dropped.

An environment may have more than 100 KB.
"""


class Environments:
    """The reads of one loop. A read that outlasts its tick is taken by a later tick."""

    def __init__(self, buildkite: Buildkite) -> None:
        self._buildkite = buildkite
        self._pool = ThreadPoolExecutor(max_workers=SIDE_BY_SIDE)
        self._reads: dict[str, Future[Mapping[str, str]]] = {}
        self._wanted: tuple[str, ...] = ()

    def start(self, jobs: Iterable[str]) -> None:
        """Begin to read these jobs' environments, as far as no earlier tick has begun.

        A tick that lists only some queues gives up no read of the other queues.
        """
        self._wanted = tuple(dict.fromkeys(jobs))
        for job in self._wanted:
            if job not in self._reads:
                self._reads[job] = self._pool.submit(self._buildkite.environment, job)
        if len(self._reads) > MOST_KEPT:
            for job in [job for job, read in self._reads.items() if read.done()]:
                if job not in self._wanted:
                    del self._reads[job]

    def wait(self) -> None:
        """Wait until the reads that this tick wants have ended, at most for `BUDGET`."""
        wait([self._reads[job] for job in self._wanted], timeout=BUDGET)

    def take(
        self, jobs: Iterable[str], outcome: Outcome
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Pairs of job id and environment, of these jobs' reads that have ended.

        Jobs with an unreadable environment are omitted, and are read again by the next tick. Jobs
        that are omitted are not opened: a policy must not be judged by an unknown environment.
        An environment that was read is kept: a job may wait for its policy through many ticks, and
        Buildkite allows few calls.
        """
        for job in jobs:
            if job not in self._reads or not self._reads[job].done():
                continue
            try:
                yield job, self._reads[job].result()
            except NotFound:
                del self._reads[job]
            except FAILURES as error:
                del self._reads[job]
                outcome.failed(f"environment of job {job}", error, fields(jobs=[job]))

    def begun(self, jobs: Iterable[str]) -> frozenset[str]:
        """The jobs, out of the given ones, with a read that is under way or has succeeded."""
        return frozenset(job for job in jobs if job in self._reads)

    def close(self) -> None:
        """Give up all reads that have not begun. Does not wait for the others."""
        self._pool.shutdown(wait=False, cancel_futures=True)
