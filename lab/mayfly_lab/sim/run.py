"""Runs one seed: a time with faults, then a time without them, in which everything must end."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mayfly_lab.sim.invariants import Invariants
from mayfly_lab.sim.plan import Plan
from mayfly_lab.sim.threads import as_tasks
from mayfly_lab.sim.world import World, a_world

FAULTS_SECONDS = (40.0, 130.0)
"""How long faults happen, by seed."""
REST_SECONDS = 7200
"""How long everything may take to end afterwards: more than all deadlines one after the other."""
_LOOK = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """The end of one run."""

    seed: int
    violations: tuple[str, ...]
    """Each begins with the name of its invariant."""
    events: tuple[str, ...]
    """What happened by chance, by name and in order."""
    calls: int
    """Calls to ports."""
    seconds: float
    """Virtual seconds until everything had ended."""
    jobs: int
    launches: int


def run(seed: int, plan: Plan) -> Result:
    """Run one seed."""
    logging.getLogger("mayfly").setLevel(logging.CRITICAL + 1)
    world = a_world(seed, plan)
    invariants = Invariants(world)
    invariants.watch()
    with as_tasks(world.tasks):
        _faults(world, invariants)
        rest = _rest(world, invariants)
        world.tasks.close()
    texts = [str(each) for each in invariants.found]
    violations = dict.fromkeys([*texts, *rest, *invariants.at_the_end()])
    return Result(
        seed,
        tuple(violations),
        tuple(world.chance.happened),
        world.functions.made,
        world.time.seconds,
        len(world.people.jobs),
        len(world.machines.requests),
    )


def _faults(world: World, invariants: Invariants) -> None:
    seconds = world.chance.between(*FAULTS_SECONDS, "faults last")
    world.people.plan(seconds)
    world.lack_capacity(seconds)
    world.begin()
    while world.time.seconds < seconds and not invariants.found and not world.broken:
        world.time.run(min(seconds, world.time.seconds + 5.0))


def _rest(world: World, invariants: Invariants) -> list[str]:
    """Let everything end. Returns what has not ended in time."""
    if invariants.found or world.broken:
        return []
    world.chance.is_calm = True
    world.machines.capacity.clear()
    world.people.rest()
    world.functions.short = True
    until = world.time.seconds + REST_SECONDS
    while open_ := invariants.at_rest():
        if world.time.seconds >= until or invariants.found or world.broken:
            return open_
        world.time.run(world.time.seconds + _LOOK)
    return []
