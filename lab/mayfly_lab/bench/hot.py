"""Runs jobs on hot machines, one after the other, in rounds of one pool each."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from buildkite_emulator import BuildRequest
from mayfly.config.queue import QueueConfig
from mayfly.records.states import Supply
from mayfly_lab.bench import grants
from mayfly_lab.bench.idle import Idle
from mayfly_lab.lab import Lab
from mayfly_lab.report.collect import collect
from mayfly_lab.report.evidence import Evidence

QUEUE = "default"
PIPELINE = "bench"
IDLE_SECONDS = 10.0
SETTLE_SECONDS = 6.0
"""Time for the work that boots cause to end before jobs are measured."""
PATIENCE = 300.0
"""Seconds for a pool to become hot, and for its machines to go."""
_LOOK = 0.5
_REPOSITORY = "bench"


class BenchError(Exception):
    """The bench got stuck, or a job did not pass or did not run on a hot machine."""


@dataclass(frozen=True, slots=True)
class Workload:
    """The jobs of one run of the bench."""

    jobs: int
    pool: int
    """Machines hot at the start of a round. No machine boots during a round: the lab's machines
    share cores with the measured jobs, unlike real machines."""
    every: float
    """Seconds between two jobs. Not a multiple of dispatch's interval, so that jobs come at any
    phase of it. With an interval longer than a job, no two jobs run at once: in a real fleet each
    job has cores of its own."""
    secrets: int = 0
    """Secrets in each of a job's three folders, with keys for ssh and a role; 0: none of them."""


@dataclass(frozen=True, slots=True)
class Run:
    """The evidence of one run of the bench."""

    evidence: Evidence
    idle: Idle


def run(
    lab: Lab, workload: Workload, wait: Callable[[float], None], say: Callable[[str], None]
) -> Run:
    """Run the workload in rounds of one pool. `wait` waits for seconds, and may raise.

    Raises:
        BenchError: a pool did not get hot or did not end, or a job did not pass.
    """
    began = time.time()
    bench = _Bench(lab, wait)
    _prepare(lab)
    if workload.secrets:
        url = lab.buildkite.repository_url(_REPOSITORY)
        if not grants.lay_down(lab, PIPELINE, url, workload.secrets):
            say("no key for ssh is given: machines lack ssh, ssh-agent or ssh-add")
    idle: Idle | None = None
    done = 0
    while done < workload.jobs:
        size = min(workload.pool, workload.jobs - done)
        bench.fill(size)
        say(f"{size} machines are hot")
        if idle is None:
            idle = bench.idle(size)
        bench.jobs(size, workload.every)
        done += size
        say(f"{done} of {workload.jobs} jobs have run")
        bench.empty()
    if idle is None:
        raise BenchError("the workload has no jobs")
    return Run(collect(lab, began, {QUEUE: workload.pool}), idle)


def _prepare(lab: Lab) -> None:
    source = lab.home / "source"
    source.mkdir()
    (source / "README").write_text("A repository to check out.\n")
    lab.buildkite.add_repository(_REPOSITORY, source)
    steps = [{"command": "echo hello", "label": "bench", "agents": {"queue": QUEUE}}]
    url = lab.buildkite.repository_url(_REPOSITORY)
    lab.buildkite.add_pipeline(PIPELINE, json.dumps({"steps": steps}), url)


@dataclass(frozen=True, slots=True)
class _Bench:
    lab: Lab
    wait: Callable[[float], None]

    def fill(self, size: int) -> None:
        """Wait for `size` hot machines, then set the pool to 0, so that none is replaced.

        Mayfly keeps surplus machines for five minutes, longer than a round.
        """
        self._want(size)
        self._until(f"{size} machines are hot", lambda: self._ready() >= size)
        self._want(0)
        self.wait(SETTLE_SECONDS)

    def idle(self, hosts: int) -> Idle:
        """Count calls to AWS and Buildkite for `IDLE_SECONDS` without a job."""
        before, began = self.lab.buildkite.calls(), time.time()
        self.wait(IDLE_SECONDS)
        seconds = time.time() - began
        buildkite = self.lab.buildkite.calls() - before
        calls = [entry for entry in self.lab.aws.journal if began <= entry.at < began + seconds]
        return Idle(seconds, hosts, calls, buildkite)

    def jobs(self, number: int, every: float) -> None:
        """Create `number` builds, `every` seconds apart. Raises BenchError unless all pass."""
        builds: list[str] = []
        begin = time.monotonic()
        for count in range(number):
            self.wait(max(0.0, begin + count * every - time.monotonic()))
            made = self.lab.buildkite.create_build(PIPELINE, BuildRequest(branch="main"))
            builds.append(made.id)
        self._until("every job ends", lambda: all(map(self._outcome, builds)))
        wrong = [build for build in builds if self._outcome(build) != "passed"]
        if wrong:
            raise BenchError(f"{len(wrong)} of {number} jobs did not pass")

    def empty(self) -> None:
        """Wait until every machine is gone. Raises BenchError after `PATIENCE`."""
        instances = self.lab.records.instances
        self._until("every machine is gone", lambda: not any(i.open for i in instances().values()))

    def _want(self, size: int) -> None:
        self.lab.put_parameter(QUEUE, "pool/hot", str(size))
        self._until(f"pool/hot {size} is in force", lambda: self._target() == size)

    def _target(self) -> int:
        record = self.lab.records.queues().get(QUEUE)
        return QueueConfig.from_json(record.config).hot.default if record and record.config else -1

    def _ready(self) -> int:
        found = self.lab.records.instances().values()
        return sum(i.state.traits.supply is Supply.READY for i in found)

    def _outcome(self, build: str) -> str | None:
        return self.lab.buildkite.build(build).jobs[0].outcome

    def _until(self, what: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            if time.monotonic() > end:
                raise BenchError(f"after {PATIENCE:.0f} s still waiting until {what}")
            self.wait(_LOOK)
