"""A job that lost a spot instance runs on demand the next time, where the queue says so."""

from __future__ import annotations

import pytest

from mayfly.errors import NotFound, Transient
from mayfly.records.model import Instance, Launch
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE, a_job
from tests.unit.world import World, a_warm_world, a_world

C, S = ClaimState, InstanceState
RECLAIMED = "Server.SpotInstanceTermination: Spot instance termination"
FIRST = {"launch/purchase": "spot-first-attempt"}


def markets(world: World) -> list[str]:
    """The market of every launch, in order."""
    return [launch.market for launch in sorted(world.fleet.all(Launch), key=lambda it: it.created)]


def retry(world: World, name: str, count: str = "1") -> None:
    """Schedule a job that Buildkite says is a retry."""
    job = a_job(name, runnable_at=world.clock.now)
    world.buildkite.schedule(QUEUE, job, {"BUILDKITE_RETRY_COUNT": count})


def instance_of(world: World, job: str) -> Instance:
    (instance,) = [i for i in world.instances(S.ASSIGNED) if i.job == job]
    return instance


def lose_the_first_attempt(world: World) -> None:
    """Bind `job-1` to an instance, and let EC2 take the instance back before the job begins."""
    world.schedule("job-1")
    world.dispatch()
    world.provision()
    world.make_ready()
    world.dispatch()
    world.machines.end(str(instance_of(world, "job-1").instance_id), RECLAIMED)
    world.after(seconds=10).reap()
    world.dispatch()
    assert world.claim("job-1").attempt == 2


@pytest.mark.parametrize(
    ("purchase", "second"), [("spot-first-attempt", "on-demand"), ("spot-then-on-demand", "spot")]
)
def test_the_attempt_after_a_spot_loss_is_launched_on_demand_where_the_queue_says_so(
    purchase: str, second: str
) -> None:
    world = a_world(**{"launch/purchase": purchase})
    lose_the_first_attempt(world)
    world.provision()
    assert markets(world) == ["spot", second]
    world.make_ready()
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_a_later_attempt_takes_no_ready_spot_instance_not_even_in_the_tick_of_the_loss() -> None:
    world = a_warm_world(2, **FIRST)
    lose_the_first_attempt(world)
    assert world.claim("job-1").state is C.WAITING
    assert len(world.instances(S.READY)) == 2
    world.provision()
    world.make_ready()
    world.dispatch()
    assert instance_of(world, "job-1").shape.purchase == "on-demand-only"


def test_a_retry_at_buildkite_runs_on_demand_and_a_first_run_on_spot() -> None:
    world = a_world(**FIRST)
    retry(world, "again")
    retry(world, "new", count="0")
    world.dispatch()
    world.provision()
    world.after(seconds=1).provision()
    assert sorted(markets(world)) == ["on-demand", "spot"]
    world.make_ready()
    world.dispatch()
    assert instance_of(world, "again").shape.purchase == "on-demand-only"
    assert instance_of(world, "new").shape.purchase == "spot-then-on-demand"


@pytest.mark.parametrize("error", [NotFound("no such job"), Transient("busy")], ids=str)
def test_a_job_whose_environment_cannot_be_read_counts_as_a_first_attempt(error: Exception) -> None:
    world = a_world(**FIRST)
    retry(world, "again")
    world.buildkite.fail_next("environment", error)
    world.dispatch()
    assert (world.claim("again").state, world.claim("again").retry) == (C.WAITING, 0)


@pytest.mark.parametrize("count", ["", "many", "-1", "1e3", "9" * 5000])
def test_a_retry_count_that_is_no_small_number_counts_as_a_first_attempt(count: str) -> None:
    world = a_world(**FIRST)
    retry(world, "job-1", count)
    world.dispatch()
    assert world.claim("job-1").retry == 0


def test_environments_are_not_read_where_neither_policy_nor_purchase_asks() -> None:
    world = a_world(**{"launch/purchase": "spot-then-on-demand"})
    retry(world, "again")
    world.dispatch()
    assert world.buildkite.calls["environment"] == 0
    assert world.claim("again").state is C.WAITING


def test_a_job_that_lost_spot_instances_follows_a_change_of_purchase() -> None:
    world = a_world(**{"launch/purchase": "spot"})
    lose_the_first_attempt(world)
    world.configure(**FIRST)
    world.provision()
    assert markets(world) == ["spot", "on-demand"]
