"""A function may die at any line, be throttled, or lose an answer: later ticks mend the damage."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mayfly.dispatch.lease import take
from mayfly.errors import Transient
from tests.unit import invariants
from tests.unit.fuses import EFFECTS, READS, Crash, Fuse
from tests.unit.hosts import Hosts
from tests.unit.world import World, a_world


def run_rounds(world: World, hosts: Hosts, fuse: Fuse, *, rounds: int, seconds: float = 5) -> None:
    """Run all functions and hosts `rounds` times; check the invariants after each function."""
    for _ in range(rounds):
        for function in (world.dispatch, world.provision, world.sandbox, world.reap):
            fuse.run(function)
            invariants.always(world, hosts)
        hosts.step()
        hosts.step()
        world.after(seconds=seconds)


def story(fuse: Fuse, world: World | None = None) -> World:
    """Three jobs, two of them cancelled while waiting; one host fails, one host is left over."""
    world = fuse.into(world or a_world())
    hosts = Hosts(world, fates=["booting"])
    world.schedule("job-1", "job-2", "job-3")
    run_rounds(world, hosts, fuse, rounds=1)
    world.buildkite.cancel("job-2")
    world.buildkite.cancel("job-3")
    run_rounds(world, hosts, fuse, rounds=6)
    # An idle host stays five minutes; then it is condemned, terminated and closed.
    run_rounds(world, hosts, fuse, rounds=1, seconds=301)
    run_rounds(world, hosts, fuse, rounds=5)
    return world


def story_of_the_stopped_pool(fuse: Fuse, world: World | None = None) -> World:
    """A stopped instance is started for a job, the pool is filled again, and given up."""
    world = fuse.into(world or a_world(**{"pool/stopped": "1", "pool/grace-minutes": "0"}))
    hosts = Hosts(world)
    run_rounds(world, hosts, fuse, rounds=6)
    world.schedule("job-1")
    run_rounds(world, hosts, fuse, rounds=9)
    world.configure(**{"pool/stopped": "0"})
    run_rounds(world, hosts, fuse, rounds=6)
    run_rounds(world, hosts, fuse, rounds=1, seconds=301)
    run_rounds(world, hosts, fuse, rounds=5)
    return world


STORIES = [story, story_of_the_stopped_pool]
POWER = {"stop", "start", "order"}


def test_the_stories_use_every_effect_except_register_finish_and_notice() -> None:
    fuse = Fuse(0, Crash())
    world = story(fuse)
    invariants.at_rest(world)
    exits = {job: kept.exit for job, kept in world.buildkite.known.items()}
    assert exits == {"job-1": 0, "job-2": None, "job-3": None}
    other = Fuse(0, Crash())
    world = story_of_the_stopped_pool(other)
    invariants.at_rest(world)
    assert world.buildkite.known["job-1"].exit == 0
    assert sum(instance.starts for instance in world.instances()) == 1
    assert EFFECTS - {*fuse.seen, *other.seen} == {"register", "finish", "notice"}
    assert {each: other.seen[each] for each in POWER} == {"stop": 2, "start": 1, "order": 1}


FAULTS = [(Crash("dead"), True), (Transient("throttled"), False), (Transient("lost answer"), True)]
NAMES_OF_FAULTS = ["death", "throttled call", "lost answer"]


@pytest.mark.parametrize(("error", "after"), FAULTS, ids=NAMES_OF_FAULTS)
@pytest.mark.parametrize("call", sorted(POWER))
def test_a_fault_around_a_stop_or_a_start_is_mended_by_later_ticks(
    call: str, error: BaseException, after: bool
) -> None:
    fuse = Fuse(1, error, {call}, after=after)
    world = story_of_the_stopped_pool(fuse)
    assert fuse.blown
    invariants.at_rest(world)
    assert world.buildkite.known["job-1"].exit == 0


@pytest.mark.slow
@pytest.mark.parametrize(("error", "after"), FAULTS, ids=NAMES_OF_FAULTS)
@pytest.mark.parametrize("tells", STORIES, ids=["hot and cold", "stopped"])
def test_a_fault_at_any_effect_is_mended_by_later_ticks(
    tells: Callable[[Fuse], World], error: BaseException, after: bool
) -> None:
    number, fuse = 0, Fuse(0, error)
    while number == 0 or fuse.blown:
        number += 1
        fuse = Fuse(number, error, after=after)
        world = tells(fuse)
        invariants.at_rest(world)
        assert world.buildkite.known["job-1"].exit == 0, f"the job did not run (effect {number})"
    assert number > 30


@pytest.mark.parametrize("read", sorted(READS - {"environment"}))  # the story has no policy
def test_a_throttled_read_leaves_the_work_to_the_next_tick_and_raises_nothing(read: str) -> None:
    for number in (1, 3):
        fuse = Fuse(number, Transient("throttled"), {read})
        invariants.at_rest(story(fuse))


@pytest.mark.slow
@pytest.mark.parametrize("taken_over", [False, True], ids=["same lease", "the lease taken over"])
def test_overlapping_ticks_of_a_function_have_each_effect_once(taken_over: bool) -> None:
    class Overlap(Fuse):
        def _blow(self) -> None:
            if taken_over:
                world.fence = take(world.fleet, "newer", world.clock.now).lease.fence
            super()._blow()

    number, fuse = 0, Fuse(0, None)
    while number == 0 or fuse.blown:
        number += 11
        fuse = Overlap(number, None, EFFECTS | READS)
        world = a_world()
        story(fuse, world)
        invariants.at_rest(world)
        assert world.buildkite.known["job-1"].exit == 0, f"the job did not run (call {number})"
        assert len(world.machines.machines) == 3, f"too many launches (call {number})"
