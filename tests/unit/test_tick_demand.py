"""An operator's remedy reaches jobs that wait: their claims follow the configuration."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.records.changes import Save
from mayfly.records.model import Launch
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE, TYPES
from tests.unit.world import World, a_warm_world, a_world, wanting

C, S = ClaimState, InstanceState
SCARCE = {("on-demand", kind): 0 for kind in TYPES}


def shapes_in_ec2(world: World) -> list[str]:
    """The shape of every launch for which EC2 launched an instance."""
    filled = {i.key.launch for i in world.instances() if i.instance_id}
    return [str(launch.shape) for launch in world.fleet.all(Launch) if launch.id in filled]


@pytest.mark.parametrize(
    ("remedy", "shape"),
    [
        ({"launch/instance-types": "c7i.large"}, f"{QUEUE}/x86_64/on-demand/c7i.large"),
        ({"launch/purchase": "spot"}, f"{QUEUE}/x86_64/spot/{'+'.join(TYPES)}"),
        (
            {"launch/architecture": "arm64", "launch/instance-types": "c7g.large"},
            f"{QUEUE}/arm64/on-demand/c7g.large",
        ),
    ],
    ids=["instance types", "purchase", "architecture"],
)
def test_a_changed_configuration_reaches_a_job_that_waits_for_capacity(
    remedy: dict[str, str], shape: str
) -> None:
    world = wanting("job-1")
    world.machines.capacity = dict(SCARCE)
    world.provision()
    assert shapes_in_ec2(world) == []
    world.configure(**remedy)
    world.provision()
    assert shapes_in_ec2(world) == [shape]
    world.make_ready()
    world.dispatch()
    assert (world.claim("job-1").state, str(world.claim("job-1").shape)) == (C.ASSIGNED, shape)


def test_a_boot_under_way_serves_its_job_after_instance_types_are_added() -> None:
    world = wanting("job-1", "job-2")
    world.provision()
    world.configure(**{"launch/instance-types": ",".join(["c7i.large", *TYPES])})
    world.provision()
    assert len(world.instances()) == 2
    world.make_ready()
    world.dispatch()
    assert [world.claim(job).state for job in ("job-1", "job-2")] == [C.ASSIGNED] * 2


def test_instances_of_other_types_do_not_count_for_jobs_after_the_types_are_replaced() -> None:
    world = wanting("job-1")
    world.provision()
    world.configure(**{"launch/instance-types": "c7i.large"})
    world.provision()
    world.make_ready()
    world.dispatch()
    (bound,) = world.instances(S.ASSIGNED)
    assert bound.shape.instance_types == ("c7i.large",)


def test_an_old_pool_serves_jobs_but_does_not_fill_the_new_pool() -> None:
    world = a_warm_world(1)
    world.configure(**{"launch/instance-types": ",".join(["c7i.large", *TYPES])})
    world.provision()
    assert len(world.instances()) == 2
    world.schedule("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


GPU = (f"queue={QUEUE}", "gpu=yes")


def test_a_job_that_its_queue_matches_no_more_gets_no_instance_and_goes_back() -> None:
    world = a_world(tags="gpu=yes")
    world.schedule("job-1", rules=GPU)
    world.dispatch()
    world.configure(tags="gpu=no")
    world.provision()
    outcomes = [world.dispatch() for _ in range(3)]
    assert [outcome.unmatched for outcome in outcomes] == [1, 0, 0]
    line = f"queue {QUEUE}: queue {QUEUE} does not meet the rule gpu=yes: the queue offers gpu=no"
    for outcome in outcomes:
        (held,) = outcome.held.values()
        assert held.line == f"{line}; 1 job waits"
        assert held.about == {
            "queue": QUEUE, "job": "job-1", "pipeline": "web", "code": "rule-not-met"
        }  # fmt: skip
    assert world.instances() == []
    world.after(5, seconds=1).dispatch()
    claim = world.claim("job-1")
    assert claim.state is C.RELEASED
    assert claim.reason == (
        "the queue matches the job no more: rule gpu=yes, the queue offers gpu=no "
        "and the job's reservation has run out"
    )


def test_a_mismatch_that_is_mended_while_the_reservation_lasts_costs_nothing() -> None:
    world = a_world(tags="gpu=yes")
    world.schedule("job-1", rules=GPU)
    world.dispatch()
    world.configure(tags="gpu=no")
    world.provision()
    world.after(2).dispatch()
    world.configure(tags="gpu=yes")
    world.provision()
    assert len(world.instances()) == 1
    world.make_ready()
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED


def test_a_claim_that_is_stored_without_rules_keeps_its_shape() -> None:
    world = wanting("job-1")
    stored = world.claim("job-1")
    world.fleet.write([Save(replace(stored, rules=None))])
    world.configure(**{"launch/instance-types": "c7i.large"})
    world.provision()
    assert shapes_in_ec2(world) == [str(stored.shape)]


def test_a_policy_on_repositories_is_asked_for_a_job_that_waited_before_it() -> None:
    world = wanting("job-1")
    world.configure(**{"policy/repository-from": "/buildkite/pipelines/{pipeline}/repository"})
    world.provision()
    world.dispatch()
    claim = world.claim("job-1")
    assert claim.state is C.RELEASED
    assert "policy/repository-from" in claim.reason
    world.after(5).dispatch()
    assert world.claim("job-1").state is C.FAILED
    assert "no repository is registered" in world.buildkite.known["job-1"].told


HANGS = {"bootstrap/script": "s3://scripts/mayfly/set-up.sh minutes=60"}
MENDED = {"bootstrap/script": "s3://scripts/mayfly/mended.sh minutes=60"}


def a_hung_world() -> World:
    """A world in which a job waits for an instance whose script hangs."""
    world = a_world(**HANGS)
    world.schedule("job-1")
    world.dispatch()
    world.provision()
    world.machines.settle()
    world.report(world.instance(), "booting")
    world.sandbox()
    assert world.instance().state is S.BOOTING
    return world


def test_a_mended_script_reaches_a_job_whose_instance_hangs_in_the_former_script() -> None:
    world = a_hung_world()
    world.configure(**MENDED)
    world.after(1).provision()
    assert len(world.instances()) == 1
    world.after(1).provision()
    old, new = sorted(world.instances(), key=lambda instance: instance.created)
    assert (old.state, new.state) == (S.CONDEMNED, S.LAUNCHING)
    assert old.reason == "set-up lasted 2 minutes, and the queue's configuration changed since"
    assert old.spec != new.spec
    assert world.ledger().boots == ()
    assert world.reap_nudges.sent == ["1 boots that hang are given up"]


def test_a_long_script_is_not_given_up_while_the_configuration_stands() -> None:
    world = a_hung_world()
    world.after(30).provision()
    assert world.instance().state is S.BOOTING


def test_a_boot_past_its_set_up_is_kept_after_a_change_of_the_script() -> None:
    world = a_hung_world()
    world.report(world.instance(), "bootstrapped")
    world.sandbox()
    world.configure(**MENDED)
    world.after(5).dispatch()
    world.provision()
    assert world.instance().state is S.SWAPPING
