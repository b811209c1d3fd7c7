"""Provision calls EC2 side by side: a launch that hangs or is refused holds up its queue alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import timedelta
from threading import Event, current_thread
from typing import Any

import pytest

from mayfly.answers import Launched
from mayfly.errors import Misconfigured, Transient
from mayfly.provision import apply, refresh
from mayfly.provision import tick as provision
from mayfly.records.model import Instance, Launch, QueueRecord
from mayfly.records.states import InstanceState, LaunchState
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Left
from tests.unit.builders import NOW
from tests.unit.world import World, a_world

S = InstanceState
QUEUES = ("deploy", "second", "third")


def queues(*names: str) -> World:
    """A world with these queues, each of which wants one hot instance."""
    world = a_world()
    for name in names[1:]:
        world.publish(name)
    for name in names:
        world.configure(name, **{"pool/hot": "1"})
    return world


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Hangs whatever waits for this event, until the test is over; ticks wait for a moment."""
    monkeypatch.setattr(apply, "LAUNCH_SECONDS", 0.3)
    monkeypatch.setattr(refresh, "ZONES_SECONDS", 0.3)
    event = Event()
    yield event
    event.set()


def queue_of(request: str) -> str:
    tags = json.loads(request)["TagSpecifications"][0]["Tags"]
    return next(str(tag["Value"]) for tag in tags if tag["Key"] == "mayfly-queue")


def replaced(
    world: World, queue: str, answer: Callable[[], object], *, after: bool = False
) -> Callable[[], None]:
    """Call `answer` in place of (or `after`) a queue's CreateFleet. Returns what ends this."""
    real = world.machines.create_fleet

    def create_fleet(request: str, token: str) -> Launched:
        if queue_of(request) != queue:
            return real(request, token)
        launched = real(request, token) if after else None
        answer()
        return launched or real(request, token)

    vars(world.machines)["create_fleet"] = create_fleet
    return lambda: vars(world.machines).pop("create_fleet")


def states(world: World) -> Mapping[str, InstanceState]:
    return {i.queue: i.state for i in world.fleet.all(Instance)}


@pytest.mark.parametrize("after", [False, True], ids=["no effect", "effect, no answer"])
def test_a_launch_that_hangs_holds_up_no_other_queue_and_is_sent_again(
    stuck: Event, *, after: bool
) -> None:
    world = queues(*QUEUES)
    end = replaced(world, "deploy", lambda: stuck.wait(60), after=after)
    outcome = world.provision()
    assert states(world) == {"deploy": S.REQUESTED, "second": S.LAUNCHING, "third": S.LAUNCHING}
    assert outcome.left == {Left.TRANSIENT: 1}
    assert outcome.launched == 2
    end()
    world.provision()
    assert set(states(world).values()) == {S.LAUNCHING}
    assert len(world.machines.machines) == 3
    assert {launch.state for launch in world.fleet.all(Launch)} == {LaunchState.SETTLED}


def test_the_actions_behind_a_launch_that_hangs_are_carried_out(stuck: Event) -> None:
    """A launch that was recorded earlier comes first, and does not keep the next one waiting."""
    world = queues("deploy")
    end = replaced(world, "deploy", lambda: stuck.wait(60))
    world.provision()
    end()
    replaced(world, "deploy", lambda: stuck.wait(60))
    world.configure(**{"pool/hot": "2"})
    outcome = world.after(seconds=5).provision()
    # Both the launch of the first tick and the further one have been tried.
    assert len(world.fleet.all(Launch)) == 2
    assert outcome.left == {Left.TRANSIENT: 2}


@pytest.mark.parametrize("error", [Transient("RequestLimitExceeded"), Misconfigured("no such AMI")])
def test_a_refusal_of_one_queue_is_no_matter_of_the_others(error: Exception) -> None:
    world = queues(*QUEUES)

    def refuse() -> None:
        raise error

    replaced(world, "second", refuse)
    world.provision()
    others = {queue: state for queue, state in states(world).items() if queue != "second"}
    assert others == {"deploy": S.LAUNCHING, "third": S.LAUNCHING}


def test_every_launch_is_recorded_before_its_call_and_records_are_written_by_one_thread() -> None:
    world = queues(*QUEUES)
    real, write = world.machines.create_fleet, world.fleet.write
    seen: list[str] = []
    writers: set[str] = set()

    def create_fleet(request: str, token: str) -> Launched:
        (launch,) = [each for each in world.fleet.all(Launch) if each.id == token]
        assert launch.state is LaunchState.OPEN
        assert launch.request == request
        seen.append(launch.queue)
        return real(request, token)

    def writing(*given: Any) -> None:
        writers.add(current_thread().name)
        write(*given)

    vars(world.machines)["create_fleet"], vars(world.fleet)["write"] = create_fleet, writing
    assert not world.provision().left
    assert sorted(seen) == sorted(QUEUES)
    assert writers == {current_thread().name}


def test_without_time_the_queues_are_left_to_the_next_tick_by_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = queues(*QUEUES)
    world.provision()
    world.configure(**{"pool/hot": "2"})
    over = Edge(world.clock, world.clock.sleep, world.clock.now)
    outcome = provision.tick(world.provision_ports, over)
    assert outcome.left == {Left.TRANSIENT: 1}
    assert "queues: no time is left for 3 of them: deploy, second, third" in caplog.text
    assert len(world.fleet.all(Launch)) == 3


def test_a_lack_of_time_meets_another_queue_first_each_minute() -> None:
    world = queues(*QUEUES)
    world.provision()
    records = world.fleet.all(QueueRecord)
    firsts = {
        provision.in_turn(records, NOW + timedelta(minutes=minute))[0].queue for minute in range(3)
    }
    assert firsts == set(QUEUES)
    assert provision.in_turn([], NOW) == ()


def test_zones_that_ec2_does_not_tell_in_time_keep_no_queue_from_its_parameters(
    stuck: Event,
) -> None:
    world = queues(*QUEUES)
    real = world.machines.zones
    waits = iter([True])

    def zones(subnets: Collection[str]) -> Mapping[str, str]:
        if next(waits, False):
            stuck.wait(60)
        return real(subnets)

    vars(world.machines)["zones"] = zones
    outcome = world.provision()
    assert outcome.left[Left.TRANSIENT] >= 1
    assert {r.queue for r in world.fleet.all(QueueRecord) if '"hot":1' in r.config} == set(QUEUES)
    assert S.LAUNCHING in states(world).values()
