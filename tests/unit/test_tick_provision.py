"""Ticks of provision against the fakes: launches, EC2's answers, limits, lost races."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mayfly.config.queue import in_force
from mayfly.errors import Misconfigured, NoCapacity, Transient
from mayfly.metrics import Metric
from mayfly.provision.apply import Applier
from mayfly.provision.decide import decide
from mayfly.provision.gather import gather
from mayfly.provision.request import pools_of
from mayfly.records.model import Launch, QueueRecord
from mayfly.records.states import REPEAT_LAUNCH, ClaimState, InstanceState, LaunchState
from mayfly.tick.outcome import Outcome
from tests.unit.builders import NOW, TYPES
from tests.unit.world import World, a_warm_world, a_world, wanting

S = InstanceState
NONE_LEFT = {("on-demand", kind): 0 for kind in TYPES}


def only_launch(world: World) -> Launch:
    (launch,) = world.fleet.all(Launch)
    return launch


def in_ec2(world: World) -> int:
    return len(world.machines.machines)


# -- launching -------------------------------------------------------------------------------------


def test_missing_instances_are_launched_with_tags_and_recorded() -> None:
    world = wanting("job-1", "job-2")
    world.provision()
    launch = only_launch(world)
    assert (launch.state, launch.slots) == (LaunchState.SETTLED, 2)
    assert [i.state for i in world.instances()] == [S.LAUNCHING] * 2
    ids = sorted(world.machines.machines)
    assert [i.instance_id for i in world.instances()] == ids
    assert {m.seen.launch for m in world.machines.machines.values()} == {launch.id}
    assert (world.ledger().live, world.ledger().next_launch) == (2, 1)


def test_a_second_tick_launches_nothing_more() -> None:
    world = wanting("job-1")
    world.provision()
    assert not world.provision().changed
    assert in_ec2(world) == 1


def test_a_tick_with_a_lagging_index_launches_nothing_more() -> None:
    world = wanting("job-1", "job-2")
    world.fleet.lag()
    for _ in range(3):
        world.provision()
        world.after(seconds=10)
    assert in_ec2(world) == 2


def test_recent_launches_are_read_beside_the_index_for_a_minute() -> None:
    world = wanting("job-1")
    world.provision()
    world.after(2)
    world.fleet.calls.clear()
    world.provision()
    assert world.fleet.calls["launch"] == world.fleet.calls["instance"] == 0


def test_the_limits_of_a_queue_hold_over_many_launches() -> None:
    jobs = [f"job-{n:02}" for n in range(20)]
    world = wanting(*jobs, **{"limits/max-instances": "5", "limits/max-launches-per-minute": "3"})
    for _ in range(4):
        world.provision()
        world.after(seconds=10)
    assert in_ec2(world) == 3
    for _ in range(8):
        world.provision()
        world.after(seconds=30)
    assert in_ec2(world) == world.ledger().live == 5


def test_a_pool_of_a_hundred_is_launched_within_three_ticks() -> None:
    world = a_world(**{"pool/hot": "100", "limits/max-instances": "100"})
    for _ in range(2):  # a_world() has run the first of the three ticks
        world.provision()
    assert in_ec2(world) == world.ledger().live == 100
    assert not world.provision().changed


@pytest.mark.parametrize("earlier", [0, 1], ids=["the first launch", "a later one"])
def test_of_two_launches_that_read_one_ledger_only_one_is_recorded(earlier: int) -> None:
    world = wanting("job-1")
    for _ in range(earlier):
        world.provision()
        world.schedule("job-2")
        world.dispatch()
    (record,) = world.fleet.all(QueueRecord)
    config, ports = in_force(record), world.provision_ports
    assert config is not None
    first, second = (decide(gather(record, ports, NOW), config, NOW) for _ in range(2))
    for action, races in ((first[0], 0), (second[0], 1)):
        outcome = Outcome()
        applier = Applier(ports, outcome, NOW, world.edge)
        applier.begin(record.queue, [action], {})
        applier.finish()
        assert outcome.lost_races == races
    assert in_ec2(world) == world.ledger().live == 1 + earlier


# -- answers ---------------------------------------------------------------------------------------


def test_slots_without_capacity_are_freed_and_launched_by_the_next_tick() -> None:
    world = wanting("job-1", "job-2", "job-3")
    world.machines.capacity = {**NONE_LEFT, ("on-demand", TYPES[1]): 2}
    world.provision()
    assert len(world.instances(S.LAUNCHING)) == 2
    assert len(world.instances(S.TERMINATED)) == 1
    assert world.ledger().live == 2
    world.machines.capacity.clear()
    world.provision()
    assert in_ec2(world) == world.ledger().live == 3


def test_without_capacity_provision_waits_longer_each_time_and_counts_the_metric() -> None:
    world = wanting("job-1")
    world.machines.capacity = dict(NONE_LEFT)
    outcome = world.provision()
    assert Metric.NO_CAPACITY in dict(outcome.alarms)
    assert world.ledger().live == 0
    tries = []
    for _ in range(100):
        world.after(seconds=1).provision()
        tries.append(len(world.machines.requests))
    assert tries[:16] == [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3]
    assert tries[-1] <= 6
    world.machines.capacity.clear()
    world.after(1).provision()
    assert in_ec2(world) == 1
    assert world.ledger().misses == {}


def test_without_spot_capacity_the_next_tick_launches_on_demand() -> None:
    world = wanting("job-1", **{"launch/purchase": "spot-then-on-demand"})
    world.machines.capacity = {("spot", kind): 0 for kind in TYPES}
    world.provision()
    world.provision()
    (machine,) = world.machines.machines.values()
    assert machine.market == "on-demand"


def test_once_every_pool_of_spot_is_dry_the_next_instance_is_bought_on_demand() -> None:
    world = wanting("job-1", "job-2", **{"launch/purchase": "spot-then-on-demand"})
    world.machines.capacity = {("spot", kind): int(kind == TYPES[0]) for kind in TYPES}
    world.provision()
    (launch,) = world.fleet.all(Launch)
    assert world.ledger().dry_pools.keys() == pools_of(launch.request)
    world.machines.capacity = {}
    world.after(seconds=1).provision()
    assert [m.market for m in world.machines.machines.values()] == ["spot", "on-demand"]


def test_a_taken_hot_instance_is_replaced_before_the_pool_is_empty() -> None:
    world = a_warm_world(3)
    for number in range(3):
        world.schedule(f"job-{number}")
        world.dispatch()
        world.provision()
        assert world.claim(f"job-{number}").state is ClaimState.ASSIGNED
        assert len(world.instances(S.LAUNCHING)) == number + 1


def test_a_lost_launch_answer_is_asked_for_again_without_a_second_launch() -> None:
    world = wanting("job-1", "job-2")
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    assert only_launch(world).open
    assert [i.state for i in world.instances()] == [S.REQUESTED] * 2
    world.after(1).provision()
    assert [i.state for i in world.instances()] == [S.LAUNCHING] * 2
    assert in_ec2(world) == 2
    assert len(world.machines.requests) == 1


def test_a_repeated_launch_sends_its_recorded_request_after_a_change_of_configuration() -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    types = ",".join(["m5.large", *TYPES])
    world.configure(**{"launch/instance-types": types, "limits/max-instances": "7"})
    world.after(1).provision()
    # EC2 refuses another request under the same token.
    assert only_launch(world).request == world.machines.requests[only_launch(world).id]
    assert world.instance().state is S.LAUNCHING


@pytest.mark.parametrize("launched", [True, False])
def test_a_launch_without_answer_for_ten_minutes_is_settled_by_the_instances_in_ec2(
    launched: bool,
) -> None:
    world = wanting("job-1", "job-2")
    world.machines.fail_next("create_fleet", Transient("timed out"), times=99, done=launched)
    for _ in range(3):
        world.provision()
        world.after(REPEAT_LAUNCH / timedelta(minutes=3))
    world.after(seconds=1).provision()
    first = min(world.fleet.all(Launch), key=lambda launch: launch.created)
    assert not first.open
    states = {i.state for i in world.instances() if i.key.launch == first.id}
    assert states == ({S.LAUNCHING} if launched else {S.TERMINATED})


def test_slots_that_the_index_does_not_show_are_filled() -> None:
    world = wanting("job-1", "job-2", "job-3")
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    listing = world.fleet.instances
    vars(world.fleet)["instances"] = lambda queue, states: listing(queue, states)[:1]
    world.after(seconds=5).provision()
    assert [i.state for i in world.instances()] == [S.LAUNCHING] * 3
    assert len({i.instance_id for i in world.instances()}) == 3


def test_a_settled_launch_that_the_index_still_shows_as_open_is_settled_once() -> None:
    world = wanting("job-1", "job-2")
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    world.fleet.lag()
    world.after(seconds=5).provision()
    settled = world.instances()
    outcome = world.after(seconds=5).provision()
    assert outcome.lost_races == 1
    assert world.instances() == settled
    assert [i.state for i in settled] == [S.LAUNCHING] * 2


def test_a_missing_launch_template_is_a_problem_and_frees_the_slots() -> None:
    world = wanting("job-1")
    world.machines._templates = {}
    outcome = world.provision()
    assert "InvalidLaunchTemplateId.NotFound" in outcome.problems[0]
    assert world.ledger().live == 0
    assert only_launch(world).errors


def test_a_refused_repetition_leaves_the_launch_open_for_its_lost_answer() -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    world.machines.fail_next("create_fleet", Misconfigured("UnauthorizedOperation"))
    world.after(1).provision()
    assert world.instance().state is S.LAUNCHING
    assert world.instance().instance_id in world.machines.machines


def test_missing_capacity_is_no_configuration_problem() -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", NoCapacity("none"))
    assert world.provision().problems == []
