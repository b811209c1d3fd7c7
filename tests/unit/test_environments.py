"""Environments are read side by side, and a slow read delays no other queue's job."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing

import pytest

from mayfly.config.shapes import ON_DEMAND_ONLY
from mayfly.dispatch import environments as module
from mayfly.dispatch import tick as dispatch
from mayfly.dispatch.environments import SIDE_BY_SIDE, Environments
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.parameter_reads import ParameterReads
from mayfly.dispatch.state_reads import StateReads
from mayfly.dispatch.view import LastTick, Turn
from mayfly.records.model import QueueRecord
from mayfly.records.states import ClaimState
from mayfly.tick.outcome import Outcome
from tests.unit.builders import QUEUE, a_job
from tests.unit.world import World, a_warm_world

C = ClaimState
MAIN = {
    "BUILDKITE_PIPELINE_SLUG": "web",
    "BUILDKITE_BRANCH": "main",
    "BUILDKITE_PULL_REQUEST": "false",
}


@pytest.fixture(autouse=True)
def short_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0.05)


class Slow:
    """Holds every read of an environment until the test opens the gate."""

    def __init__(self, world: World) -> None:
        self.gate = threading.Event()
        self._read = world.buildkite.environment
        vars(world.buildkite)["environment"] = self.environment

    def environment(self, job: str) -> Mapping[str, str]:
        assert self.gate.wait(10)
        return self._read(job)


def two_queues() -> World:
    """A hot, open queue, and a restricted queue with jobs."""
    world = a_warm_world()
    world.publish("closely")
    world.configure("closely", **{"policy/rules/main": "branch=main"})
    world.provision()
    for number in range(3):
        job = a_job(f"slow-{number}", rules=("queue=closely",))
        world.buildkite.schedule("closely", job, MAIN)
    world.schedule("job-1")
    return world


def ticks(world: World, environments: Environments) -> Iterator[Outcome]:
    """Ticks of one loop."""
    seen: Mapping[str, LastTick] = {}
    long = LongReads(environments, StateReads(world.buildkite), ParameterReads(world.parameters))
    while True:
        queues = tuple(world.fleet.all(QueueRecord))
        names = frozenset(record.queue for record in queues)
        turn = Turn(queues, names, world.fence or 0, wide=True, reads_states=True, seen=seen)
        outcome, seen = dispatch.tick(world.dispatch_ports, turn, world.clock.now, long)
        yield outcome


def test_a_slow_read_delays_no_job_of_another_queue_and_is_taken_by_a_later_tick() -> None:
    world = two_queues()
    slow = Slow(world)
    with closing(Environments(world.buildkite)) as environments:
        loop = ticks(world, environments)
        next(loop)
        assert world.claim("job-1").state is C.ASSIGNED
        assert world.fleet.claim("slow-0") is None
        slow.gate.set()
        environments.wait()
        next(loop)
        assert [world.claim(f"slow-{n}").state for n in range(3)] == [C.WAITING] * 3
    assert world.buildkite.calls["environment"] == 3


def test_the_environment_of_a_job_that_waits_for_a_policy_is_read_once_a_loop() -> None:
    world = a_warm_world()
    world.configure(**{"policy/rules/main": "branch main"})
    world.provision()
    world.buildkite.schedule(QUEUE, a_job(), MAIN)
    with closing(Environments(world.buildkite)) as environments:
        loop = ticks(world, environments)
        for _ in range(5):
            next(loop)
        assert world.buildkite.calls["environment"] == 1
        world.configure(**{"policy/rules/main": "branch=main"})
        world.provision()
        next(loop)
    assert world.claim("job-1").state is C.ASSIGNED


def test_environments_are_read_side_by_side() -> None:
    world = a_warm_world()
    together = threading.Barrier(SIDE_BY_SIDE)
    jobs = [f"job-{number}" for number in range(SIDE_BY_SIDE)]

    def environment(job: str) -> Mapping[str, str]:
        together.wait(10)
        return {"JOB": job}

    vars(world.buildkite)["environment"] = environment
    with closing(Environments(world.buildkite)) as environments:
        environments.start(jobs)
        found: dict[str, Mapping[str, str]] = {}
        while len(found) < SIDE_BY_SIDE:
            environments.wait()
            found.update(environments.take(jobs, Outcome()))
    assert found == {job: {"JOB": job} for job in jobs}


def test_reads_of_jobs_that_nobody_wants_any_more_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    world = a_warm_world()
    for name in ("a", "b", "c"):
        world.buildkite.schedule(QUEUE, a_job(name), MAIN)
    with closing(Environments(world.buildkite)) as environments:
        environments.start(["a", "b"])
        environments.wait()
        environments.start(["c"])
        environments.wait()
        assert dict(environments.take(["a", "b", "c"], Outcome())) == {"c": MAIN}


def test_a_retry_whose_environment_is_read_slowly_waits_for_it_and_then_runs_on_demand() -> None:
    world = a_warm_world(**{"launch/purchase": "spot-first-attempt"})
    world.buildkite.schedule(QUEUE, a_job("again"), {**MAIN, "BUILDKITE_RETRY_COUNT": "1"})
    slow = Slow(world)
    with closing(Environments(world.buildkite)) as environments:
        loop = ticks(world, environments)
        next(loop)
        assert world.fleet.claim("again") is None
        slow.gate.set()
        environments.wait()
        next(loop)
    assert world.claim("again").shape.purchase == ON_DEMAND_ONLY
