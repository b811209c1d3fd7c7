"""A ledger that cannot be read holds up neither boots nor bindings of any queue."""

from __future__ import annotations

import pytest

from mayfly.adapters.dynamodb.records import key_of
from mayfly.dispatch.notes import PATIENCE
from mayfly.errors import Transient
from mayfly.records.ledger import Ledger
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import QUEUE
from tests.unit.world import World, wanting


def test_an_instance_gets_ready_though_its_queues_ledger_cannot_be_read() -> None:
    world = wanting("job-1")
    world.provision()
    world.boot()
    world.sandbox()
    world.prove()
    world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    world.sandbox()
    assert world.instance().state is InstanceState.READY
    world.fleet.unreadable.clear()


def launched_long_ago(world: World) -> World:
    """The world after its launches, when its waiting jobs are due for a note."""
    world.provision()
    return world.after(seconds=PATIENCE.total_seconds() + 1)


@pytest.mark.parametrize("read", ["ledger", "instances"])
def test_a_job_is_bound_in_a_tick_that_cannot_read_what_other_jobs_wait_for(read: str) -> None:
    world = launched_long_ago(wanting("job-1", "job-2", **{"limits/max-instances": "1"}))
    world.make_ready()
    if read == "ledger":
        world.fleet.unreadable.add(key_of(Ledger, QUEUE))
    else:
        _fail_second_list(world)
    world.dispatch()
    world.fleet.unreadable.clear()
    states = sorted(world.claim(job).state for job in ("job-1", "job-2"))
    assert states == sorted([ClaimState.ASSIGNED, ClaimState.WAITING])


def _fail_second_list(world: World) -> None:
    """Let the list of coming instances fail, and that of ready ones succeed."""
    listed = world.fleet.instances

    def instances(queue: str, states: frozenset[InstanceState]) -> object:
        if InstanceState.READY not in states:
            raise Transient("no answer")
        return listed(queue, states)

    vars(world.fleet)["instances"] = instances
