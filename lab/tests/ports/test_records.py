"""A report's records, read while a lab runs, equal the Fleet table as the adapter wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from mayfly.adapters.dynamodb.fleet import DynamoFleet
from mayfly.adapters.dynamodb.records import key
from mayfly.adapters.dynamodb.transactions import Tables
from mayfly.ports import Fleet
from mayfly.records.changes import Save
from mayfly.records.model import Instance, saved
from mayfly.records.states import InstanceState
from mayfly_lab.aws.front.journal import Entry, Journal
from mayfly_lab.records import Records
from tests.contract.sample_records import NOW, a_claim, an_instance

TABLE = "ci-fleet"


@pytest.fixture
def client(
    aws: None,
    client_of: Callable[[str], Any],
    table_definitions: dict[str, dict[str, Any]],
) -> Iterator[Any]:
    made = client_of("dynamodb")
    made.create_table(TableName=TABLE, **table_definitions["FleetTable"])
    yield made
    if TABLE in made.list_tables()["TableNames"]:
        made.delete_table(TableName=TABLE)


@pytest.fixture
def fleet(client: Any) -> Fleet:
    return DynamoFleet(client, Tables(TABLE, "mailbox"), clock=lambda: NOW)


@pytest.fixture
def journal() -> Journal:
    return Journal(clock=lambda: 0.0)


@pytest.fixture
def records(client: Any, journal: Journal) -> Records:
    return Records(client, "ci", journal)


def note(journal: Journal, instance: Instance, table: str = TABLE, error: str = "") -> None:
    """Record a call that saves an instance, as the front door does."""
    row = {"operation": "PutItem", "table": table, "key": key(instance)}
    rows = {"rows": [row]}
    journal.write(Entry(0.0, "AROA:f", "function", "dynamodb", "PutItem", rows, error=error))


def test_records_of_instances_have_their_last_written_state(
    fleet: Fleet, journal: Journal, records: Records
) -> None:
    first, second = an_instance(0), an_instance(1)
    assert records.instances() == {}
    fleet.write([Save(first), Save(second), Save(a_claim())])
    note(journal, first)
    note(journal, second, error="the answer was lost")
    assert records.instances() == {each.key: saved(each) for each in (first, second)}
    moved = replace(saved(first), state=InstanceState.TERMINATED)
    fleet.write([Save(moved)])
    note(journal, moved)
    assert records.instances() == {first.key: saved(moved), second.key: saved(second)}
    assert list(records.claims()) == ["job-1"]


@pytest.fixture
def instance(fleet: Fleet, journal: Journal) -> Instance:
    """An instance that was saved and journaled."""
    made = an_instance()
    fleet.write([Save(made)])
    note(journal, made)
    return made


def test_unchanged_records_are_not_read_again(
    client: Any, instance: Instance, journal: Journal, records: Records
) -> None:
    reads: list[str] = []
    client.meta.events.register("before-call.dynamodb", lambda model, **_: reads.append(model.name))
    for _ in range(3):
        assert records.instances() == {instance.key: saved(instance)}
    note(journal, instance, table="another-fleet")
    records.instances()
    assert reads == ["BatchGetItem"]


def test_a_deleted_stack_has_no_records(
    client: Any, instance: Instance, journal: Journal, records: Records
) -> None:
    assert len(records.instances()) == 1
    client.delete_table(TableName=TABLE)
    note(journal, instance)
    assert records.instances() == {}
    assert records.claims() == {}
    assert records.text() == "[]"
