"""The Buildkite under the suite, with the acts of users and agents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mayfly.answers import Job
from mayfly.errors import Conflict
from mayfly.ports import Buildkite
from mayfly_fakes import FakeBuildkite

OWNER = "arn:aws:cloudformation:eu-central-1:123456789012:stack/mayfly/1"


class Clock:
    """Real time, because limits count real seconds, plus the seconds that a test adds."""

    def __init__(self) -> None:
        self._added = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self._added

    def advance(self, seconds: float) -> None:
        self._added += timedelta(seconds=seconds)


class World(Protocol):
    """Buildkite, with the acts of users and agents."""

    @property
    def buildkite(self) -> Buildkite: ...

    @property
    def clock(self) -> Clock: ...

    def add_jobs(self, queue: str, commands: Sequence[str]) -> list[str]: ...

    def cancel(self, job: str) -> None: ...

    def pause(self, queue: str) -> None: ...

    def acquires(self, job: str, token: str, queue: str) -> bool: ...

    def told(self, job: str) -> tuple[str, int | None]: ...

    def notes(self, job: str) -> list[str]: ...


class FakeWorld:
    def __init__(self) -> None:
        self.clock = Clock()
        self.buildkite = FakeBuildkite(self.clock)
        for queue in ("deploy", "other"):
            self.buildkite.add_queue(queue)

    def add_jobs(self, queue: str, commands: Sequence[str]) -> list[str]:
        names = []
        for command in commands:
            name = f"job-{len(self.buildkite.known)}"
            at = self.clock()
            job = Job(name, 3, (f"queue={queue}",), at, "web", 1, "main", command)
            self.buildkite.schedule(queue, job, {"BUILDKITE_COMMAND": command})
            names.append(name)
        return names

    def cancel(self, job: str) -> None:
        self.buildkite.cancel(job)

    def pause(self, queue: str) -> None:
        self.buildkite.queues[queue].paused = True

    def acquires(self, job: str, token: str, queue: str) -> bool:
        try:
            self.buildkite.accept(job, token)
        except Conflict:
            return False
        return True

    def told(self, job: str) -> tuple[str, int | None]:
        known = self.buildkite.known[job]
        return known.told, known.exit

    def notes(self, job: str) -> list[str]:
        return self.buildkite.known[job].notes
