"""Before a launch, jobs and recent launches are read anew: the index may lag by minutes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.config.schedule import Schedule
from mayfly.provision import tick as provision
from mayfly.provision.confirmed import confirmed
from mayfly.records.changes import Save
from mayfly.records.ledger import launch_id
from mayfly.records.model import Claim, Instance, QueueRecord, SlotKey
from mayfly.records.states import ClaimState, InstanceState
from mayfly_fakes import FakeFleet, FakeMailbox
from tests.unit.builders import (
    NOW,
    STACK,
    a_claim,
    a_config,
    a_ledger,
    ago,
    an_instance,
    assigned,
)
from tests.unit.provision_views import a_view
from tests.unit.world import a_world

LISTED = a_claim("job-1")


def with_records(*records: Claim | Instance) -> FakeFleet:
    fleet = FakeFleet(FakeMailbox())
    for record in records:
        fleet.write([Save(replace(record, version=0))])
    return fleet


def jobs_after(fleet: FakeFleet) -> list[str]:
    view = confirmed(a_view(waiting=(LISTED,)), (), a_config(), fleet, NOW)
    return [claim.job for claim in view.waiting]


@pytest.mark.parametrize(
    ("present", "jobs"),
    [
        (a_claim("job-1"), ["job-1"]),
        (assigned("job-1"), []),
        (a_claim("job-1", state=ClaimState.RELEASED), []),
        (a_claim("job-1", state=ClaimState.FAILED), []),
    ],
    ids=["waits", "has its instance", "was cancelled", "has failed"],
)
def test_a_job_counts_as_its_record_is_now(present: Claim, jobs: list[str]) -> None:
    assert jobs_after(with_records(present)) == jobs


def test_a_job_whose_record_cannot_be_read_is_not_launched_for() -> None:
    fleet = with_records(LISTED)
    fleet.unreadable.add("claim#job-1")
    assert jobs_after(fleet) == []


def slots_after(age_seconds: float, hung: Sequence[Instance] = ()) -> list[InstanceState]:
    ledger = replace(a_ledger(), next_launch=1, recent=((ago(seconds=age_seconds), 1),))
    key = SlotKey(launch_id(STACK, replace(ledger, next_launch=0)), 0)
    slot = replace(an_instance(InstanceState.BOOTING), key=key)
    view = a_view(ledger=ledger, stack=STACK)
    found = confirmed(view, [slot] * len(hung), a_config(), with_records(slot), NOW)
    return [instance.state for instance in found.instances]


def test_slots_of_the_last_three_minutes_are_supply_though_the_index_does_not_show_them() -> None:
    assert slots_after(175) == [InstanceState.BOOTING]
    assert slots_after(185) == []


def test_a_hung_boot_that_the_view_is_without_stays_out() -> None:
    assert slots_after(30, hung=[an_instance()]) == []


def test_a_pool_that_was_made_smaller_is_not_filled_by_an_older_record() -> None:
    world = a_world()
    (record,) = world.fleet.all(QueueRecord)
    larger = a_config(hot=2).to_json()
    world.fleet.write([Save(replace(record, config=larger))])
    world.fleet.lag()
    (present,) = world.fleet.all(QueueRecord)
    world.fleet.write([Save(replace(present, config=record.config))])
    provision.tick(world.provision_ports, world.edge, nudged=True)
    assert world.instances() == []


def test_a_pool_that_was_made_larger_is_filled_by_the_record_as_it_is() -> None:
    world = a_world(**{"pool/hot": "1"})
    (record,) = world.fleet.all(QueueRecord)
    world.machines.end(str(world.instance().instance_id), "Server.InternalError")
    world.reap()
    world.after(5)
    world.fleet.lag()
    config = QueueConfig.from_json(record.config)
    world.fleet.write([Save(replace(record, config=replace(config, hot=Schedule(3)).to_json()))])
    provision.tick(world.provision_ports, world.edge, nudged=True)
    assert len(world.instances(InstanceState.LAUNCHING)) == 3
