"""Buildkite in memory: jobs, reservations and tokens of one cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from mayfly.answers import Job, Listing
from mayfly.errors import Conflict, ForeignStack, NotFound
from mayfly_fakes.faults import Faults

_FREE = {"scheduled", "reserved"}
_LONGEST_NOTE = 255


@dataclass(slots=True)
class BuildkiteJob:
    """A job as Buildkite has it."""

    job: Job
    queue: str
    environment: Mapping[str, str]
    state: str = "scheduled"
    reserved_until: datetime | None = None
    told: str = ""
    """The reason that the stack gave when it failed this job; empty until then."""
    exit: int | None = None
    notes: list[str] = field(default_factory=list)
    """The notes on the job's page."""


@dataclass(slots=True)
class BuildkiteQueue:
    """A queue of the cluster; `free` has its scheduled and reserved jobs by id."""

    paused: bool = False
    free: dict[str, BuildkiteJob] = field(default_factory=dict)


class FakeBuildkite(Faults):
    """Implements `mayfly.ports.Buildkite`. Jobs have Buildkite's own states."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.queues: dict[str, BuildkiteQueue] = {}
        self.known: dict[str, BuildkiteJob] = {}
        self.owner: str | None = None
        """The owner that registered the stack's key; None before that."""
        self._clock = clock
        self._tokens: dict[str, tuple[str, datetime]] = {}

    # -- the world -----------------------------------------------------------------------------

    def add_queue(self, queue: str) -> None:
        """Make a queue that has no jobs."""
        self.queues[queue] = BuildkiteQueue()

    def schedule(self, queue: str, job: Job, environment: Mapping[str, str] | None = None) -> None:
        """Make a job runnable."""
        self.known[job.id] = BuildkiteJob(job, queue, environment or {})
        self.queues[queue].free[job.id] = self.known[job.id]

    def accept(self, job: str, token: str) -> None:
        """Acquire a job as its agent does.

        Raises Conflict for a token that is expired or of another job, and for a job that is neither
        scheduled nor reserved.
        """
        named, until = self._tokens.get(token, ("", self._clock()))
        if named != job or until <= self._clock():
            raise Conflict(f"no valid token for {job}")
        if self._state(job) not in _FREE:
            raise Conflict(f"{job} is {self.known[job].state}")
        self._leave(job, "accepted")

    def start(self, job: str) -> None:
        """The agent of an accepted job begins to run it."""
        self.known[job].state = "running"

    def end(self, job: str, exit_status: int = 0) -> None:
        """End a job as its agent reports; Buildkite gives the job of a lost agent status -1."""
        job_is = self.known[job]
        job_is.state = "canceled" if job_is.state == "canceling" else "finished"
        job_is.exit = exit_status

    def cancel(self, job: str) -> None:
        """Cancel a job as a user does: `canceled` at once without an agent, else `canceling`."""
        if self._state(job) in _FREE:
            self._leave(job, "canceled")
        elif self.known[job].state in {"accepted", "running"}:
            self.known[job].state = "canceling"

    # -- the port ------------------------------------------------------------------------------

    def register(self, queue: str, owner: str) -> None:
        """See `mayfly.ports.Buildkite`."""
        with self._call("register"):
            self._queue(queue)
            if self.owner not in {None, owner}:
                raise ForeignStack(f"the stack's key belongs to {self.owner}")
            self.owner = owner

    def jobs(self, queue: str) -> Listing:
        """See `mayfly.ports.Buildkite`."""
        with self._call("jobs"):
            listed = self._queue(queue)
            free = [kept.job for job, kept in listed.free.items() if self._state(job) != "reserved"]
            return Listing(tuple(sorted(free, key=_runnable_at)), listed.paused)

    def reserve(self, jobs: Sequence[str], seconds: int, queue: str = "") -> frozenset[str]:
        """See `mayfly.ports.Buildkite`."""
        with self._call("reserve"):
            ours = frozenset(job for job in jobs if self._state(job) in _FREE)
            for job in ours:
                self.known[job].state = "reserved"
                self.known[job].reserved_until = self._clock() + timedelta(seconds=seconds)
            return ours

    def environment(self, job: str) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        with self._call("environment"):
            return self._job(job).environment

    def states(self, jobs: Sequence[str]) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        with self._call("states"):
            return {job: self._state(job) for job in jobs if job in self.known}

    def tokens(self, jobs: Sequence[str], seconds: int, queue: str = "") -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        with self._call("tokens"):
            now, minted = self._clock(), {}
            for job in jobs:
                until = self.known[job].reserved_until if self._state(job) == "reserved" else None
                if until:
                    token = f"bkjat_{job}_{len(self._tokens)}".ljust(32, "x")
                    self._tokens[token] = job, min(until, now + timedelta(seconds=seconds))
                    minted[job] = token
            return minted

    def finish(self, job: str, reason: str, queue: str = "") -> None:
        """See `mayfly.ports.Buildkite`."""
        with self._call("finish"):
            kept = self._job(job)
            if self._state(job) not in _FREE:
                raise Conflict(f"{job} is {kept.state}")
            self._leave(job, "finished")
            kept.told, kept.exit = reason, -1

    def notify(self, notes: Mapping[str, str]) -> Mapping[str, str]:
        """See `mayfly.ports.Buildkite`."""
        with self._call("notify"):
            for job in notes.keys() & self.known.keys():
                text = notes[job].encode()
                cut = text if len(text) <= _LONGEST_NOTE else text[: _LONGEST_NOTE - 3]
                mark = "" if cut is text else "…"
                self.known[job].notes.append(cut.decode(errors="ignore") + mark)
            return {job: "job not found" for job in notes if job not in self.known}

    # -- inside --------------------------------------------------------------------------------

    def _queue(self, queue: str) -> BuildkiteQueue:
        if queue not in self.queues:
            raise NotFound(f"queue {queue}")
        return self.queues[queue]

    def _job(self, job: str) -> BuildkiteJob:
        if job not in self.known:
            raise NotFound(f"job {job}")
        return self.known[job]

    def _state(self, job: str) -> str:
        """The state of a job now: `scheduled` after its reservation, empty for an unknown job."""
        kept = self.known.get(job)
        if not kept:
            return ""
        if (
            kept.state == "reserved"
            and kept.reserved_until
            and kept.reserved_until <= self._clock()
        ):
            kept.state, kept.reserved_until = "scheduled", None
        return kept.state

    def _leave(self, job: str, state: str) -> None:
        """Set this state and take the job from its queue: nothing can reserve it any more."""
        kept = self.known[job]
        kept.state, kept.reserved_until = state, None
        del self.queues[kept.queue].free[job]


def _runnable_at(job: Job) -> datetime:
    return job.runnable_at
