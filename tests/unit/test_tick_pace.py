"""Provision at the pace of its limits: refused or limited launches go on when the wait ends.

Time passes between invocations only: the schedule brings one each minute, each nudge one at its
time, as EventBridge and SQS do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from mayfly.errors import Transient
from mayfly.records.model import Instance, Launch
from mayfly.records.states import InstanceState
from tests.unit.builders import TYPES
from tests.unit.script import Script
from tests.unit.world import World, wanting

S = InstanceState
MINUTE = timedelta(minutes=1)


@dataclass(slots=True)
class Invocations:
    """Invocations of provision by schedule and nudges, from ten seconds after a full minute."""

    world: World
    start: datetime = field(init=False)
    nudges: list[datetime] = field(default_factory=list)
    schedule: datetime = field(init=False)
    made: int = 0

    def __post_init__(self) -> None:
        self.start = self.world.clock.now
        self.nudges.append(self.start)
        self.schedule = self.start + timedelta(seconds=50)

    def until(self, seconds: float) -> Invocations:
        """Run every invocation of this time, counted from the start."""
        end = self.start + timedelta(seconds=seconds)
        while (due := min([self.schedule, *self.nudges])) <= end:
            nudged = due in self.nudges
            if nudged:
                self.nudges.remove(due)
            else:
                self.schedule += MINUTE
            self.world.clock.now = max(due, self.world.clock.now)
            self._invoke(nudged=nudged)
        self.world.clock.now = max(end, self.world.clock.now)
        return self

    def _invoke(self, *, nudged: bool) -> None:
        self.made += 1
        sent = self.world.provision_nudges
        sent.delays.clear()
        Script(self.world, 52).provision(nudged=nudged)
        self.nudges.extend(self.world.clock.now + delay for delay in sent.delays)

    def launches(self) -> list[tuple[float, int]]:
        """Seconds from the start, and number of instances, of each launch."""
        found = sorted(self.world.fleet.all(Launch), key=lambda launch: launch.created)
        return [((each.created - self.start).total_seconds(), each.slots) for each in found]

    def first_instance(self) -> float:
        """Seconds from the start to the launch of the first instance that EC2 launched."""
        (key,) = {i.key.launch for i in self.world.instances(S.LAUNCHING)}
        launch = next(each for each in self.world.fleet.all(Launch) if each.id == key)
        return (launch.created - self.start).total_seconds()


def test_a_limit_of_two_launches_a_minute_gives_two_each_minute() -> None:
    jobs = [f"job-{n}" for n in range(6)]
    run = Invocations(wanting(*jobs, **{"limits/max-launches-per-minute": "2"})).until(180)
    assert run.launches() == [(0, 2), (60, 2), (120, 2)]


@pytest.mark.parametrize(("dry", "launched"), [(4, 5), (8, 15), (30, 35)])
def test_after_a_refusal_for_lack_of_capacity_the_next_launch_comes_when_its_wait_ends(
    dry: float, launched: float
) -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    run = Invocations(world).until(dry)
    world.machines.capacity = {}
    run.until(120)
    assert run.first_instance() == launched


def test_a_launch_whose_answer_was_lost_falls_back_to_on_demand_at_once() -> None:
    world = wanting("job-1", **{"launch/purchase": "spot-then-on-demand"})
    world.machines.capacity = {("spot", kind): 0 for kind in TYPES}
    world.machines.fail_next("create_fleet", Transient("timed out"))
    run = Invocations(world).until(30)
    assert run.first_instance() == 2


def test_after_a_partial_answer_the_missing_instances_are_launched_when_the_wait_ends() -> None:
    world = wanting("job-1", "job-2", "job-3")
    world.machines.capacity = {("on-demand", TYPES[0]): 1, ("on-demand", TYPES[1]): 0}
    run = Invocations(world).until(4)
    world.machines.capacity = {}
    run.until(60)
    assert sorted(run.launches()) == [(0, 2), (0, 3), (5, 2)]


def test_the_trial_of_a_braked_shape_is_launched_when_it_is_due() -> None:
    world = wanting("job-1", **{"job/attempts": "10"})
    run = Invocations(world)
    for number in range(3):
        run.until(5 * number)
        world.machines.settle()
        for instance in world.instances(S.LAUNCHING):
            world.machines.end(str(instance.instance_id), "Client.InternalError")
        world.reap()
        world.dispatch()
        run.nudges.append(world.clock.now)
    run.until(15)
    (brake,) = world.ledger().brakes.values()
    assert brake.next_trial is not None
    run.until(120)
    trial = max(launch.created for launch in world.fleet.all(Launch))
    assert trial - brake.next_trial < timedelta(seconds=1)


def test_an_instance_beyond_need_goes_when_its_grace_ends() -> None:
    world = wanting("job-1", **{"pool/grace-minutes": "1"})
    run = Invocations(world).until(0)
    world.make_ready()
    ready = world.instance().since
    world.buildkite.cancel("job-1")
    world.dispatch()
    run.nudges.append(world.clock.now)
    run.until(90)
    (instance,) = world.fleet.all(Instance)
    assert instance.state is S.CONDEMNED
    assert instance.since - ready == MINUTE


def test_a_queue_with_nothing_to_wait_for_asks_for_no_later_tick() -> None:
    run = Invocations(wanting("job-1")).until(600)
    assert run.made == 1 + 10
    world = wanting("job-1", "job-2", **{"limits/max-instances": "1"})
    full = Invocations(world).until(600)
    assert full.made == 1 + 10


def test_a_burst_of_nudges_starts_no_chain_each() -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    run = Invocations(world)
    run.nudges.extend([run.start] * 19)
    run.until(600)
    # Twenty nudges, ten scheduled ticks, and one at the end of each wait: 5, 10, 20, 40, 60 …
    assert run.made <= 20 + 10 + len(run.launches()) + 1
    assert len(run.launches()) <= 4 + 10


def test_a_nudge_that_cannot_be_sent_costs_a_minute_and_stops_nothing() -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    world.provision_nudges.fail_next("send", Transient("throttled"), times=99)
    run = Invocations(world).until(0)
    world.machines.capacity = {}
    run.until(120)
    assert run.first_instance() == 50


def test_a_wait_of_a_minute_or_more_is_left_to_the_schedule() -> None:
    world = wanting("job-1", **{"pool/grace-minutes": "60"})
    world.provision()
    world.make_ready()
    world.buildkite.cancel("job-1")
    world.dispatch()
    run = Invocations(world).until(58 * 60)
    assert world.provision_nudges.calls["send"] == 0
    run.until(62 * 60)
    assert world.provision_nudges.calls["send"] == 1
    assert world.instances(S.READY) == []
