"""The promises of `mayfly.ports.Machines`, held by the fake and by EC2 alike.

`test_port_machines.py` beside this file runs the suite on the fake. The lab's file of that name
runs the suite on the real adapter, which speaks over HTTP to the lab's EC2. Both files bring the
fixture `world`. Answers that no local EC2 gives are in `tests/unit/test_adapter_ec2*.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mayfly.errors import Conflict, Misconfigured, NoCapacity, NotFound, Transient
from mayfly.provision.request import pools_of
from tests.contract.machine_worlds import GONE, NO_SUBNET, TYPES, FakeWorld, World, a_request


def test_launched_instances_are_listed_with_their_tags(world: World) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    launched = world.machines.create_fleet(a_request(world, 3), world.token(1))
    assert len(set(launched.instance_ids)) == 3
    assert launched.errors == ()
    seen = {each.instance_id: each for each in world.machines.instances()}
    assert seen.keys() == set(launched.instance_ids)
    for each in seen.values():
        assert (each.launch, each.queue) == ("l1", "deploy")
        assert each.state in {"pending", "running"}
        assert each.launched_at >= before


def test_instances_are_read_by_their_ids_and_unknown_ids_are_omitted(world: World) -> None:
    instance, *_ = world.machines.create_fleet(a_request(world, 2), world.token(4)).instance_ids
    world.settle(instance)
    (listed,) = [each for each in world.machines.instances() if each.instance_id == instance]
    assert world.machines.instances_of([GONE, instance]) == [listed]
    assert world.machines.instances_of([GONE]) == []
    assert world.machines.instances_of([]) == []


def test_an_unknown_launch_template_is_a_misconfiguration(world: World) -> None:
    gone = {
        "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-0123456789abcdef0", "Version": "1"},
        "Overrides": [{"InstanceType": "m7i.large", "SubnetId": world.subnets[0]}],
    }
    with pytest.raises(Misconfigured, match="InvalidLaunchTemplateId"):
        world.machines.create_fleet(a_request(world, LaunchTemplateConfigs=[gone]), world.token(2))
    assert world.machines.instances() == []


def test_subnets_have_their_zones_and_an_unknown_subnet_is_omitted(world: World) -> None:
    first, second, *_ = world.subnets
    third = world.further_subnet()
    zones = world.machines.zones([first, second, third, NO_SUBNET])
    assert zones.keys() == {first, second, third}
    assert zones[first] == zones[third] != zones[second]


def test_two_subnets_of_one_zone_in_a_launch_are_a_misconfiguration(world: World) -> None:
    pools = [
        {"InstanceType": TYPES[0], "SubnetId": subnet}
        for subnet in (world.subnets[0], world.further_subnet())
    ]
    template = {"LaunchTemplateId": world.template, "Version": "1"}
    config = {"LaunchTemplateSpecification": template, "Overrides": pools}
    request = a_request(world, LaunchTemplateConfigs=[config])
    with pytest.raises(Misconfigured, match=r"InvalidFleetConfig.*duplicate instance pools"):
        world.machines.create_fleet(request, world.token(1))
    assert world.machines.instances() == []


def test_unknown_ids_do_not_keep_other_instances_from_termination(world: World) -> None:
    launched = world.machines.create_fleet(a_request(world, 3), world.token(3)).instance_ids
    gone = [GONE, "i-0000000000000000b"]
    ending = {"shutting-down", "terminated"}
    after = world.machines.terminate([gone[0], launched[0], launched[1], gone[1]])
    assert after.keys() == set(launched[:2])
    assert set(after.values()) <= ending
    assert world.machines.terminate(gone) == {}
    assert world.machines.terminate([]) == {}
    states = {each.instance_id: each.state for each in world.machines.instances()}
    assert {states[each] for each in launched[:2]} <= {"shutting-down", "terminated"}
    assert states[launched[2]] in {"pending", "running"}
    world.settle(launched[0])
    assert set(world.machines.terminate(launched).values()) <= ending
    assert world.machines.terminate(launched[:1])[launched[0]] == "terminated"
    states = {each.instance_id: each.state for each in world.machines.instances()}
    assert set(states.values()) <= {"shutting-down", "terminated"}


def test_an_instance_shows_its_profile(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), world.token(1)).instance_ids
    world.settle(instance)
    shown = world.machines.associations([instance, GONE])
    assert shown[GONE] == ()
    (association,) = shown[instance]
    assert (association.instance_id, association.profile) == (instance, world.bootstrap)
    assert association.state == "associated"


def test_a_replaced_association_cannot_be_replaced_again(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), world.token(1)).instance_ids
    world.settle(instance)
    (before,) = world.machines.associations([instance])[instance]
    world.machines.replace_profile(before.id, world.sandbox)
    *former, after = world.machines.associations([instance])[instance]
    # EC2 may show the former association for a while, of no stated length.
    assert {(each.id, each.state) for each in former} <= {(before.id, "disassociating")}
    assert after.id != before.id
    assert after.profile == world.sandbox
    assert after.state in {"associating", "associated"}
    with pytest.raises(Conflict):
        world.machines.replace_profile(before.id, world.sandbox)
    world.settle(instance)
    (last,) = world.machines.associations([instance])[instance]
    assert (last.id, last.profile, last.state) == (after.id, world.sandbox, "associated")


def test_replacing_an_unknown_association_is_a_conflict(world: World) -> None:
    with pytest.raises(Conflict):
        world.machines.replace_profile("iip-assoc-00000000000000000", world.sandbox)


def test_a_terminated_instance_has_no_association(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), world.token(1)).instance_ids
    world.settle(instance)
    world.machines.terminate([instance])
    world.settle(instance)
    assert world.machines.associations([instance]) == {instance: ()}


def test_a_launch_repeated_with_its_token_gets_the_first_answer(world: World) -> None:
    first = world.machines.create_fleet(a_request(world, 2), world.token(1))
    assert world.machines.create_fleet(a_request(world, 2), world.token(1)) == first
    assert len(world.machines.instances()) == 2
    second = world.machines.create_fleet(a_request(world, 2), world.token(2))
    assert not set(second.instance_ids) & set(first.instance_ids)


def test_a_token_used_for_another_request_is_a_misconfiguration(world: World) -> None:
    world.machines.create_fleet(a_request(world, 2), world.token(1))
    with pytest.raises(Misconfigured, match="IdempotentParameterMismatch"):
        world.machines.create_fleet(a_request(world, 3), world.token(1))
    assert len(world.machines.instances()) == 2


@pytest.mark.parametrize("market", ["spot", "on-demand"])
def test_an_instance_has_type_zone_and_market_in_both_answers(world: World, market: str) -> None:
    launched = world.machines.create_fleet(a_request(world, market=market), world.token(1))
    (seen,) = world.machines.instances()
    answered = launched.bought[seen.instance_id]
    zones = world.machines.zones(world.subnets)
    assert (answered.instance_type, answered.market) == (TYPES[0], market)
    assert (seen.bought.instance_type, seen.bought.market) == (TYPES[0], market)
    assert seen.bought.zone in zones.values()
    assert answered.zone or zones[answered.subnet] == seen.bought.zone


def test_a_lost_launch_answer_is_given_again_for_its_token(world: World) -> None:
    world.lose_an_answer()
    with pytest.raises(Transient):
        world.machines.create_fleet(a_request(world, 2), world.token(1))
    seen = {each.instance_id for each in world.machines.instances()}
    assert len(seen) == 2
    again = world.machines.create_fleet(a_request(world, 2), world.token(1))
    assert set(again.instance_ids) == seen
    assert len(world.machines.instances()) == 2


def test_a_launch_takes_another_type_when_one_has_no_capacity(world: World) -> None:
    world.run_dry(TYPES[0])
    launched = world.machines.create_fleet(a_request(world, 2), world.token(1))
    assert len(launched.instance_ids) == 2
    codes = {error.partition(":")[0] for error in launched.errors}
    assert codes == {"InsufficientInstanceCapacity"}


def of_type(request: str, *kinds: str) -> set[str]:
    return {pool for pool in pools_of(request) if pool.partition("/")[0] in kinds}


def test_the_pools_of_spot_without_capacity_are_named(world: World) -> None:
    world.run_dry(TYPES[0])
    request = a_request(world, 2, market="spot")
    launched = world.machines.create_fleet(request, world.token(1))
    assert launched.dry == of_type(request, TYPES[0])
    on_demand = world.machines.create_fleet(a_request(world, 2), world.token(2))
    assert on_demand.dry == frozenset()
    world.run_dry(*TYPES)
    with pytest.raises(NoCapacity) as nothing:
        world.machines.create_fleet(request, world.token(3))
    assert nothing.value.dry == pools_of(request)


def test_a_launch_of_no_instance_is_no_capacity_and_stays_so_for_its_token(world: World) -> None:
    world.run_dry(*TYPES)
    with pytest.raises(NoCapacity, match="InsufficientInstanceCapacity"):
        world.machines.create_fleet(a_request(world), world.token(1))
    world.recover()
    with pytest.raises(NoCapacity):
        world.machines.create_fleet(a_request(world), world.token(1))
    assert world.machines.instances() == []
    assert world.machines.create_fleet(a_request(world), world.token(2)).instance_ids


def a_running_one(world: World) -> str:
    (instance,) = world.machines.create_fleet(a_request(world), world.token(1)).instance_ids
    world.settle(instance)
    return instance


def state_of(world: World, instance: str) -> str:
    (seen,) = world.machines.instances_of([instance])
    return seen.state


def test_a_stopped_instance_keeps_its_profile_and_is_started_again(world: World) -> None:
    instance = a_running_one(world)
    profiles = world.machines.associations([instance])
    assert world.machines.stop([instance]) == {}
    assert state_of(world, instance) in {"stopping", "stopped"}
    world.settle(instance)
    assert state_of(world, instance) == "stopped"
    assert world.machines.associations([instance]) == profiles
    assert world.machines.start([instance]) == {}
    assert state_of(world, instance) in {"pending", "running"}
    world.settle(instance)
    assert state_of(world, instance) == "running"
    assert world.machines.associations([instance]) == profiles


def test_a_repeated_stop_and_a_repeated_start_are_no_errors(world: World) -> None:
    instance = a_running_one(world)
    assert world.machines.start([instance]) == {}
    assert state_of(world, instance) == "running"
    assert world.machines.stop([instance]) == world.machines.stop([instance]) == {}
    world.settle(instance)
    assert world.machines.stop([instance]) == {}
    assert state_of(world, instance) == "stopped"
    assert world.machines.start([instance]) == world.machines.start([instance]) == {}


def test_an_unknown_instance_keeps_no_other_from_a_stop_or_a_start(world: World) -> None:
    launched = world.machines.create_fleet(a_request(world, 3), world.token(1)).instance_ids
    for instance in launched:
        world.settle(instance)
    asked = [launched[0], GONE, *launched[1:]]
    for act in (world.machines.stop, world.machines.start):
        refused = act(asked)
        assert refused.keys() == {GONE}
        assert isinstance(refused[GONE], NotFound)
        for instance in launched:
            world.settle(instance)
    assert {state_of(world, each) for each in launched} == {"running"}


def test_an_ended_instance_is_neither_stopped_nor_started(world: World) -> None:
    instance = a_running_one(world)
    world.machines.terminate([instance])
    world.settle(instance)
    for refused in (world.machines.stop([instance]), world.machines.start([instance])):
        assert isinstance(refused[instance], Conflict | NotFound)
    assert state_of(world, instance) == "terminated"


def test_a_start_without_capacity_leaves_the_instance_stopped(world: World) -> None:
    instance = a_running_one(world)
    world.machines.stop([instance])
    world.settle(instance)
    world.run_dry(*TYPES)
    refused = world.machines.start([instance])
    assert isinstance(refused[instance], NoCapacity)
    assert "InsufficientInstanceCapacity" in str(refused[instance])
    assert state_of(world, instance) == "stopped"
    world.recover()
    assert world.machines.start([instance]) == {}


def test_a_spot_instance_is_not_stopped(world: World) -> None:
    request = a_request(world, market="spot")
    (instance,) = world.machines.create_fleet(request, world.token(1)).instance_ids
    world.settle(instance)
    refused = world.machines.stop([instance])
    assert isinstance(refused[instance], Misconfigured)
    assert "UnsupportedOperation" in str(refused[instance])
    assert state_of(world, instance) == "running"


def test_a_console_is_text_and_an_unknown_instance_is_not_found(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), world.token(1)).instance_ids
    world.settle(instance)
    if isinstance(world, FakeWorld):
        world.machines.machines[instance].console = f"console of {instance}"
    assert world.machines.console(instance) == f"console of {instance}"
    with pytest.raises(NotFound):
        world.machines.console(GONE)
