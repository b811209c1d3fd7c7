"""Buildkite on the virtual clock: refuses what it likes, and allows few lists a second."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from mayfly.answers import Listing
from mayfly.errors import Transient
from mayfly_fakes import FakeBuildkite
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.time import Time

LISTS = 10
"""Lists of a stack in any second: more are answered 429."""


class SimBuildkite(FakeBuildkite):
    """The fake Buildkite, which refuses free jobs for a time and counts lists."""

    def __init__(self, time: Time, chance: Chance) -> None:
        super().__init__(time.clock)
        self._time = time
        self._chance = chance
        self._lists: deque[float] = deque()

    def jobs(self, queue: str) -> Listing:
        """See `mayfly.ports.Buildkite`."""
        now = self._time.seconds
        while self._lists and self._lists[0] <= now - 1:
            self._lists.popleft()
        if len(self._lists) >= LISTS:
            raise Transient("429: more than ten lists in a second")
        self._lists.append(now)
        return super().jobs(queue)

    def reserve(self, jobs: Sequence[str], seconds: int, queue: str = "") -> frozenset[str]:
        """See `mayfly.ports.Buildkite`."""
        minute = int(self._time.seconds // 30)
        refused = {j for j in jobs if self._chance.happens("refused-job", f"{j} {minute}")}
        return super().reserve([job for job in jobs if job not in refused], seconds, queue)
