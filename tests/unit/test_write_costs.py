"""What the index of closed records costs: its write units for a job, counted by real sizes."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest

from mayfly.adapters.dynamodb.attributes import Attribute, Item
from mayfly.adapters.dynamodb.records import to_item
from mayfly.records.model import Claim, Instance, Launch, Record
from mayfly.records.states import ClaimState, InstanceState
from mayfly_fakes import FakeFleet
from tests.unit.world import World, a_world

MOST_FOR_A_JOB = 7
"""Write units of the index for one cold job; docs/operating.md has the cost of 1,000 jobs."""


def size(attribute: Attribute) -> int:
    """Bytes of an attribute's value (DynamoDB developer guide, "Item sizes and formats")."""
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return len(value) // 2 + 2
        case "M":
            return 3 + sum(1 + len(name.encode()) + size(inner) for name, inner in value.items())
        case "L":
            return 3 + sum(1 + size(inner) for inner in value)
        case _:
            return 1


def units(item: Item) -> int:
    """Write units for the item: one for each KB begun."""
    return ceil(sum(len(name.encode()) + size(value) for name, value in item.items()) / 1024)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """By kind of record: write units of the index `closed`, counted while a test runs."""
    found: dict[str, int] = {}
    stock = FakeFleet._store

    def store(self: Any, row: str, record: Record) -> None:
        before, after = self.records.get(row), to_item(record)
        was_in = before is not None and "closed_at" in to_item(before)
        if "closed_at" in after or was_in:
            kind = type(record).__name__
            found[kind] = found.get(kind, 0) + units(after)
        stock(self, row, record)

    monkeypatch.setattr(FakeFleet, "_store", store)
    return found


def a_job_from_its_launch_to_its_end() -> World:
    world = a_world()
    world.schedule("job-1", pipeline="web", build=41)
    world.dispatch()
    world.provision()
    world.after(seconds=40)
    world.make_ready()
    world.dispatch()
    world.accept("job-1")
    world.dispatch()
    world.buildkite.start("job-1")
    world.report(world.instance(), "running")
    world.after(minutes=5)
    world.buildkite.end("job-1")
    world.report(world.instance(), "done", exit=0)
    world.machines.end(str(world.instance().instance_id), "Client.InstanceInitiatedShutdown")
    world.reap()
    world.reap()
    return world


def test_a_job_writes_each_of_its_records_into_the_index_once(written: dict[str, int]) -> None:
    world = a_job_from_its_launch_to_its_end()
    assert world.claim("job-1").state is ClaimState.FINISHED
    assert world.instance().state is InstanceState.TERMINATED
    claims, launches = world.fleet.all(Claim), world.fleet.all(Launch)
    records: list[Record] = [*claims, *world.fleet.all(Instance), *launches]
    sizes = {type(record).__name__: units(to_item(record)) for record in records}
    assert written == sizes
    assert sum(written.values()) <= MOST_FOR_A_JOB
