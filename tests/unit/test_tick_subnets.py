"""Ticks of provision against the fakes: a launch has at most one subnet of each zone."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from mayfly.errors import MayflyError, Misconfigured, Transient
from mayfly.provision import tick as provision
from mayfly.records.changes import Save
from mayfly.records.model import Launch, QueueRecord
from mayfly.records.states import InstanceState
from tests.unit.builders import QUEUE, STACK
from tests.unit.published import queue_stack
from tests.unit.world import World, wanting

FIRST, SECOND, THIRD = "subnet-0a", "subnet-0b", "subnet-0c"
LAUNCHING = InstanceState.LAUNCHING


def a_world_with_subnets(zones: dict[str, str], *jobs: str) -> World:
    """A world whose queue has these subnets, each in its zone; `provision` knows no zone yet."""
    world = wanting(*jobs)
    world.machines.subnets = zones
    record = world.fleet.queue(QUEUE)
    assert record is not None
    text = json.dumps({**json.loads(record.infra), "subnets": list(zones)})
    world.parameters.put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", text)
    world.fleet.write([Save(replace(record, infra=text, zones=()))])
    return world


def used(world: World) -> list[list[str]]:
    """The subnets of each launch, in the order of the launches."""
    requests = [
        json.loads(each.request)["LaunchTemplateConfigs"][0]["Overrides"]
        for each in sorted(world.fleet.all(Launch), key=lambda launch: launch.created)
    ]
    return [list(dict.fromkeys(pool["SubnetId"] for pool in pools)) for pools in requests]


def test_jobs_get_instances_although_two_subnets_share_a_zone() -> None:
    world = a_world_with_subnets({FIRST: "a", SECOND: "a", THIRD: "b"}, "job-1", "job-2")
    outcome = world.provision()
    assert outcome.problems == []
    assert [i.state for i in world.instances()] == [LAUNCHING] * 2
    ((one, other),) = used(world)
    assert one in {FIRST, SECOND}
    assert other == THIRD


def test_launches_take_the_subnets_of_a_zone_by_turns() -> None:
    world = a_world_with_subnets({FIRST: "a", SECOND: "a"})
    for number in range(12):
        world.schedule(f"job-{number}")
        world.dispatch()
        world.provision()
        world.after(seconds=1)
    assert len(world.instances(LAUNCHING)) == 12
    assert [len(subnets) for subnets in used(world)] == [1] * 12
    assert {subnet for (subnet,) in used(world)} == {FIRST, SECOND}


def test_a_subnet_that_is_named_twice_is_used_once() -> None:
    world = a_world_with_subnets({FIRST: "a"}, "job-1")
    text = queue_stack(queue=QUEUE, subnets=[FIRST, FIRST])
    world.parameters.put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", text)
    world.provision()
    assert used(world) == [[FIRST]]


def test_zones_are_read_once_and_again_when_the_subnets_change() -> None:
    world = wanting("job-1")
    for _ in range(3):
        world.after(1).provision()
    assert world.machines.calls["zones"] == 1
    text = queue_stack(queue=QUEUE, subnets=[FIRST, THIRD])
    world.parameters.put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", text)
    for _ in range(3):
        world.after(1).provision()
    assert world.machines.calls["zones"] == 2
    record = world.fleet.queue(QUEUE)
    assert record is not None
    assert dict(record.zones).keys() == {FIRST, THIRD}


def test_a_queue_record_without_zones_launches_as_before() -> None:
    world = a_world_with_subnets({FIRST: "a", SECOND: "b"}, "job-1")
    provision.tick(world.provision_ports, world.edge, nudged=True)
    assert world.machines.calls["zones"] == 1  # by the world's first tick; a nudge reads none
    assert used(world) == [[FIRST, SECOND]]


@pytest.mark.parametrize("error", [Misconfigured("UnauthorizedOperation"), Transient("throttled")])
def test_without_an_answer_about_zones_launches_go_on_and_the_next_tick_asks_again(
    error: MayflyError,
) -> None:
    world = a_world_with_subnets({FIRST: "a", SECOND: "b"}, "job-1")
    world.machines.fail_next("zones", error)
    outcome = world.provision()
    assert world.instance().state is LAUNCHING
    assert outcome.unfinished or "zones of the subnets" in outcome.problems[0]
    world.after(1).provision()
    record = world.fleet.queue(QUEUE)
    assert record is not None
    assert dict(record.zones) == {FIRST: "a", SECOND: "b"}


def test_a_subnet_that_does_not_exist_is_a_problem() -> None:
    world = a_world_with_subnets({FIRST: "a", SECOND: "b"}, "job-1")
    world.machines.missing_subnets = {SECOND}
    assert world.provision().problems == [f"queue {QUEUE}: there is no subnet {SECOND}"]
    assert world.instance().state is LAUNCHING


def test_a_queue_with_an_unreadable_publication_keeps_its_zones_and_stops_no_other_queue() -> None:
    world = wanting("job-1")
    record = world.fleet.queue(QUEUE)
    assert isinstance(record, QueueRecord)
    world.fleet.write([Save(replace(record, infra="{}", config=""))])
    world.parameters.put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", "{}")
    world.publish("other")
    world.provision()
    kept, other = world.fleet.queue(QUEUE), world.fleet.queue("other")
    assert kept is not None
    assert other is not None
    assert kept.zones == record.zones
    assert other.zones
