"""What people do in a run: users with jobs, operators with parameters, deployments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from mayfly.answers import Job
from mayfly_fakes import FakeBuildkite, FakeParameters
from mayfly_lab.sim.buildkite import SimBuildkite
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.profiles import STACK
from mayfly_lab.sim.time import Time
from mayfly_lab.sim.traces import Arrival

BAD = (
    ("pool/hot", "many"),
    ("pool/hot", "-1"),
    ("limits/max-instances", "0.5"),
    ("launch/purchase", "cheap"),
    ("job/attempts", "none"),
    ("imds", "open"),
    ("policy/rules/main", "branch"),
    ("launch/instance-types", "m7i.large,,"),
)
"""Parameters and values that no queue may have."""
MOST_OF_TRACE = 40
"""Jobs of a trace that one run takes, at most, for each queue."""
_BRANCHES = ("main", "main", "feature")


@dataclass(slots=True)
class People:
    """Users and operators of one run."""

    time: Time
    chance: Chance
    buildkite: SimBuildkite
    parameters: FakeParameters
    queues: Sequence[str]
    arrivals: Sequence[Arrival] = ()
    """Jobs of a trace, in place of those that a seed makes."""
    lasts: dict[str, float] = field(default_factory=dict)
    """Seconds that a trace's job runs, by job."""
    jobs: list[str] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)
    """Jobs that an agent of another stack runs."""
    bad: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By queue: the bad parameter and value that stand there now."""

    def configure(self, queue: str, name: str, value: str) -> None:
        """Write a parameter as an operator does."""
        self.parameters.put(f"/mayfly/{STACK}/queues/{queue}/{name}", value)

    def plan(self, seconds: float) -> None:
        """Let everything happen that people do within the time of faults."""
        for queue in self.queues:
            self._plan_jobs(queue, seconds)
            self._plan_changes(queue, seconds)
        if self.chance.happens("deploy", "stack"):
            self._at(seconds, "deploy", self._deploy)

    def rest(self) -> None:
        """Take back what stands in the way of an end: pools, pauses, bad values, others' jobs."""
        for queue in self.queues:
            self._mend(queue)
            self.buildkite.queues[queue].paused = False
            for name, value in (("pool/hot", "0"), ("pool/stopped", "0"), ("paused", "false")):
                self.configure(queue, name, value)
        for job in sorted(self.foreign):
            self.buildkite.end(job)

    # -- users -----------------------------------------------------------------------------------

    def _plan_jobs(self, queue: str, seconds: float) -> None:
        for job, at in self._arrivals(queue, seconds):
            if not self.chance.takes(f"{job} is created"):
                continue
            self.time.after(at, partial(self._schedule, job, queue))
            if self.chance.happens("cancelled-job", job):
                later = at + self.chance.between(0.1, 120.0, f"{job} cancelled")
                self.time.after(later, partial(self.buildkite.cancel, job))
            if self.chance.happens("taken-job", job):
                later = at + self.chance.between(0.1, 60.0, f"{job} taken")
                self.time.after(later, partial(self._take, job))

    def _arrivals(self, queue: str, seconds: float) -> Iterator[tuple[str, float]]:
        """The queue's jobs, with the second in which each comes."""
        if self.arrivals:
            yield from self._of_trace(queue, seconds)
            return
        span = seconds * (0.1 if self.chance.draw(f"burst of {queue}") < 0.4 else 0.9)
        for number in range(self.chance.number(0, 8, f"jobs of {queue}")):
            job = f"{queue}-job-{number}"
            yield job, self.chance.between(0, span, f"{job} begins")

    def _of_trace(self, queue: str, seconds: float) -> Iterator[tuple[str, float]]:
        first = self.chance.number(0, len(self.arrivals) - 1, f"place in the trace of {queue}")
        began = self.arrivals[first].at
        for number, arrival in enumerate(self.arrivals[first : first + MOST_OF_TRACE]):
            if arrival.at - began >= seconds * 0.9:
                return
            job = f"{queue}-job-{number}"
            self.lasts[job] = arrival.lasts
            yield job, arrival.at - began

    def _schedule(self, job: str, queue: str) -> None:
        branch = self.chance.one_of(_BRANCHES, f"branch of {job}")
        made = Job(
            job,
            self.chance.number(-1, 1, f"priority of {job}"),
            (f"queue={queue}",),
            self.time.clock(),
            pipeline="web",
            build=1,
            branch=branch,
            step="test",
        )
        facts = {"BUILDKITE_PIPELINE_SLUG": "web", "BUILDKITE_BRANCH": branch}
        self.buildkite.schedule(queue, made, {**facts, "BUILDKITE_PULL_REQUEST": "false"})
        self.jobs.append(job)

    def _take(self, job: str) -> None:
        state = self.buildkite.known[job].state
        if state in {"scheduled", "reserved"} and not self.chance.is_calm:
            FakeBuildkite.reserve(self.buildkite, [job], 300)
            (token,) = FakeBuildkite.tokens(self.buildkite, [job], 300).values()
            self.buildkite.accept(job, token)
            self.foreign.add(job)

    # -- operators -------------------------------------------------------------------------------

    def _plan_changes(self, queue: str, seconds: float) -> None:
        if self.chance.happens("paused-queue", queue):
            at = self.chance.between(0, seconds, f"pause of {queue}")
            lasts = self.chance.between(5, 90, f"pause of {queue} lasts")
            self.time.after(at, lambda: self._pause(queue, paused=True))
            self.time.after(at + lasts, lambda: self._pause(queue, paused=False))
        if self.chance.happens("bad-parameter", queue):
            self._at(seconds, f"bad parameter of {queue}", lambda: self._spoil(queue))
        for number in range(3):
            name = f"{queue} change {number}"
            if self.chance.happens("changed-parameter", name):
                self._at(seconds, name, partial(self._change, queue, name))

    def _pause(self, queue: str, *, paused: bool) -> None:
        self.buildkite.queues[queue].paused = paused and not self.chance.is_calm

    def _spoil(self, queue: str) -> None:
        number = self.chance.number(0, len(BAD) - 1, f"what is bad in {queue}")
        name, value = BAD[number]
        self.bad[queue] = name, value
        self.configure(queue, name, value)

    def _mend(self, queue: str) -> None:
        if (bad := self.bad.pop(queue, None)) is not None:
            self.parameters.remove(f"/mayfly/{STACK}/queues/{queue}/{bad[0]}")

    def _change(self, queue: str, name: str) -> None:
        what = self.chance.one_of(
            ("pool/hot", "pool/stopped", "paused", "limits/max-instances", "policy"), f"what {name}"
        )
        match what:
            case "policy":
                self.configure(queue, "policy/rules/main", "branch=main")
            case "paused":
                self.configure(queue, what, self.chance.one_of(("true", "false"), f"value {name}"))
            case "limits/max-instances":
                self.configure(queue, what, str(self.chance.number(1, 6, f"value {name}")))
            case _:
                self.configure(queue, what, str(self.chance.number(0, 3, f"value {name}")))

    def _deploy(self) -> None:
        bundle = '{"layer": "arn:aws:lambda:eu-central-1:123456789012:layer:x:2", "sha256": "bb"}'
        self.parameters.put(f"/mayfly-infra/{STACK}/bundle", bundle)

    def _at(self, seconds: float, name: str, call: Callable[[], object]) -> None:
        self.time.after(self.chance.between(0, seconds, f"when {name}"), call)
