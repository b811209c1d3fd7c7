"""Whole ticks of a queue with `limits/per-pipeline`: who runs, and what the other jobs are told."""

from __future__ import annotations

from mayfly.dispatch.notes import PATIENCE
from mayfly.dispatch.tick import SHOWN_WITHIN
from mayfly.records.model import Claim, Instance
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.why import Code
from tests.unit.world import World, a_warm_world, a_world

C, S = ClaimState, InstanceState
LIMIT = {"limits/per-pipeline": "1"}


def instance_of(world: World, job: str) -> Instance:
    (instance,) = [i for i in world.instances(S.ASSIGNED, S.RUNNING) if i.job == job]
    return instance


def having(world: World) -> list[str]:
    """The jobs with an instance."""
    claims = [c for c in world.fleet.all(Claim) if c.state in {C.ASSIGNED, C.RUNNING}]
    return sorted(claim.job for claim in claims)


def test_a_second_job_of_a_pipeline_stays_at_buildkite_until_the_first_has_ended() -> None:
    world = a_warm_world(3, **LIMIT)
    world.schedule("web-1", "web-2", pipeline="web")
    world.schedule("api-1", pipeline="api")
    world.dispatch()
    assert having(world) == ["api-1", "web-1"]
    world.accept("web-1")
    for _ in range(4):
        world.after(seconds=3).dispatch()
    assert having(world) == ["api-1", "web-1"]
    assert world.buildkite.known["web-2"].notes == [
        "Waiting: queue deploy runs at most 1 job of pipeline web at a time."
    ]
    world.machines.end(str(instance_of(world, "web-1").instance_id), "over")
    world.reap()
    world.after(seconds=SHOWN_WITHIN.total_seconds()).dispatch()
    assert "web-2" in having(world)


def test_after_the_limit_was_lowered_a_waiting_job_gets_no_launch_and_its_page_says_why() -> None:
    world = a_world()
    world.schedule("web-1", "web-2", pipeline="web")
    world.dispatch()
    world.configure(**LIMIT)
    world.provision()
    assert len(world.instances(S.LAUNCHING)) == 1
    for _ in range(3):
        world.after(seconds=PATIENCE.total_seconds()).dispatch()
    assert "at most 1 job of pipeline web" in world.buildkite.known["web-2"].notes[-1]
    why = world.claim("web-2").why
    assert why is not None
    assert (why.code, why.subject) == (Code.PER_PIPELINE, "pipeline web")
