"""Rows of an earlier Mayfly are read as their records, and the records are written alike."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mayfly.adapters.dynamodb.history import DynamoHistory
from mayfly.adapters.dynamodb.records import from_item, key, to_item
from mayfly.config.queue import QueueConfig
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Instance, Launch, QueueRecord, Record, saved
from mayfly.records.states import ClaimState, InstanceState, LaunchTraits
from tests.contract.fleet_worlds import DynamoWorld
from tests.contract.stored_records import (
    CLAIM_STATES,
    CONFIG,
    EARLIER,
    INSTANCE_STATES,
    NOW,
    all_records,
    claims,
    instances,
    launches,
)

ROWS = json.loads((Path(__file__).parent / "stored_rows.json").read_text("utf-8"))
ITEMS = {row["item"]["pk"]["S"]: row["item"] for row in ROWS}
RECORDS = all_records()
PRESENT = [instance for instance in instances() if instance.instance_id is not None]


def test_every_stored_row_has_its_record() -> None:
    pointers = {f"ec2#{instance.instance_id}" for instance in PRESENT}
    assert ITEMS.keys() == {key(record) for record in RECORDS} | pointers
    assert len(ROWS) == len(ITEMS)


@pytest.mark.parametrize("record", RECORDS, ids=key)
def test_a_stored_row_is_read_as_its_record(record: Any) -> None:
    assert from_item(type(record), ITEMS[key(record)]) == record


@pytest.mark.parametrize("record", RECORDS, ids=key)
def test_a_record_is_written_as_its_stored_row(record: Record) -> None:
    """Only fields that were added since may differ, and keys of an index that was added since."""
    row = ITEMS[key(record)]
    written = to_item(record)
    later = {field.name for field in fields(record)} - row.keys() | {"closed_queue", "closed_at"}
    assert {name: value for name, value in written.items() if name not in later} == row


def test_a_stored_queue_configuration_is_read_back() -> None:
    queue = from_item(QueueRecord, ITEMS["queue#deploy"])
    assert QueueConfig.from_json(queue.config) == CONFIG


# -- a table of stored rows ------------------------------------------------------------------------


@pytest.fixture
def world(dynamo: DynamoWorld) -> DynamoWorld:
    """A Fleet table with every stored row."""
    for row in ROWS:
        dynamo.client.put_item(TableName="fleet", Item=row["item"])
    return dynamo


def stored_claims(*states: str) -> list[Claim]:
    """Open claims of the file in these states, in the order of the file."""
    return [claim for claim in claims() if claim.state in states and claim.open]


def stored_instances(*states: str) -> list[Instance]:
    return [instance for instance in instances() if instance.state in states and instance.open]


def by_name(records: Any) -> dict[str, Any]:
    """Records by key. Asserts that every key is unique."""
    found = {key(record): record for record in records}
    assert len(found) == len(records)
    return found


def test_open_records_of_an_earlier_mayfly_are_listed_by_state(world: DynamoWorld) -> None:
    fleet = world.fleet
    for state in CLAIM_STATES:
        listed = fleet.claims("deploy", {ClaimState(state)})
        assert by_name(listed) == by_name(stored_claims(state)), state
    for state in INSTANCE_STATES:
        shown = fleet.instances("deploy", {InstanceState(state)})
        assert by_name(shown) == by_name(stored_instances(state)), state
    assert {len(stored_claims(state)) for state in ("waiting", "assigned", "running")} == {2}
    assert [claim.job for claim in stored_claims("failed", "finished", "released")] == ["untold"]
    assert [len(stored_instances(state)) for state in INSTANCE_STATES] == [2] * 10 + [0]
    assert by_name(fleet.launches("deploy")) == by_name([x for x in launches() if x.open])
    assert sorted(each.queue for each in fleet.queues()) == ["bare", "deploy"]
    assert sorted(each.instance_id for each in fleet.strays()) == ["i-stray", "i-stray-seen"]


@pytest.mark.parametrize(
    "states",
    [
        ("waiting", "assigned", "failed"),
        ("waiting", "assigned", "running", "failed"),
        ("assigned", "running"),
        CLAIM_STATES,
    ],
    ids="+".join,
)
def test_open_claims_of_several_states_are_listed_as_before(
    world: DynamoWorld, states: tuple[str, ...]
) -> None:
    listed = world.fleet.claims("deploy", set(map(ClaimState, states)))
    assert by_name(listed) == by_name(stored_claims(*states))


@pytest.mark.parametrize(
    "states",
    [
        ("launching", "booting", "bootstrapped", "swapping"),
        ("requested", "launching", "booting", "bootstrapped", "swapping", "ready"),
        ("requested", "ready", "condemned"),
        INSTANCE_STATES,
    ],
    ids="+".join,
)
def test_open_instances_of_several_states_are_listed_as_before(
    world: DynamoWorld, states: tuple[str, ...]
) -> None:
    listed = world.fleet.instances("deploy", set(map(InstanceState, states)))
    assert by_name(listed) == by_name(stored_instances(*states))


def test_a_state_added_since_hides_no_stored_row(world: DynamoWorld) -> None:
    added: Any = LaunchTraits(rank=len(INSTANCE_STATES), edges={})
    stopped: Any = SimpleNamespace(traits=added)
    for state in map(InstanceState, INSTANCE_STATES):
        assert by_name(world.fleet.instances("deploy", (state, stopped))) == by_name(
            stored_instances(state)
        )


def test_records_of_an_earlier_mayfly_are_found_one_by_one(world: DynamoWorld) -> None:
    fleet = world.fleet
    for record in RECORDS:
        if isinstance(record, Claim) and record.version:
            assert fleet.claim(record.job) == record
        if isinstance(record, Instance):
            assert fleet.slots([record.key]) == [record]
    for instance in PRESENT:
        assert fleet.instance_of(instance.instance_id or "") == instance
    for found in (fleet.ledger("deploy"), fleet.queue("deploy"), fleet.lease()):
        assert found in RECORDS


def test_records_that_closed_before_the_index_are_not_in_it(world: DynamoWorld) -> None:
    history, ends = DynamoHistory(world.client, "fleet"), (EARLIER, NOW + timedelta(days=1))
    assert [claim.state for claim in claims() if not claim.open]
    assert history.claims("deploy", *ends).records == ()
    assert history.instances("deploy", *ends).records == ()
    assert history.launches("deploy", *ends).records == ()


def test_a_record_of_an_earlier_mayfly_is_saved_over_its_version(world: DynamoWorld) -> None:
    kinds = (Claim, Launch, Instance, QueueRecord)
    versioned: list[Any] = [each for each in RECORDS if isinstance(each, kinds) and each.version]
    assert len(versioned) > len(INSTANCE_STATES)
    for record in versioned:
        world.fleet.write([Save(record)])
        item = world.client.get_item(TableName="fleet", Key={"pk": {"S": key(record)}})["Item"]
        assert item == {**to_item(record), "version": {"N": str(record.version + 1)}}
        assert from_item(type(record), item) == saved(record)
