"""Records: versions, readable names, and values derived from fields."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from mayfly.records.ledger import launch_id
from mayfly.records.model import Lease, Stray, saved
from mayfly.records.standing import Standing
from mayfly.records.states import InstanceState
from tests.unit.builders import (
    BOOTSTRAP_ID,
    NOW,
    QUEUE,
    SANDBOX_ID,
    SHAPE,
    a_claim,
    a_launch,
    a_ledger,
    a_queue,
    ago,
    an_instance,
    ec2_id,
    later,
    slot,
)

RECORDS: list[Any] = [
    a_claim(),
    a_launch(),
    an_instance(),
    a_ledger(),
    a_queue(),
    Stray(ec2_id(), NOW),
    Standing(QUEUE, "dispatch", NOW),
    Lease("me", 1, NOW),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_saved_record_differs_only_by_a_version_one_higher(record: Any) -> None:
    assert saved(record) == replace(record, version=record.version + 1)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_is_immutable(record: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        record.version = 9


def test_shapes_and_slots_have_a_readable_form_and_slots_sort_by_number() -> None:
    assert str(SHAPE) == "deploy/x86_64/on-demand/m7i.large+m6i.large"
    assert str(slot(3)) == "launch-1/3"
    assert sorted([slot(10), slot(9), slot(0, "a")]) == [slot(0, "a"), slot(9), slot(10)]


def test_a_host_without_an_instance_id_has_no_mailbox_rows() -> None:
    requested = an_instance(InstanceState.REQUESTED)
    assert requested.bootstrap_row is None
    assert requested.sandbox_row is None


def test_mailbox_rows_are_keyed_by_the_pinned_roles() -> None:
    assert an_instance().bootstrap_row == f"{BOOTSTRAP_ID}:{ec2_id()}"
    assert an_instance().sandbox_row == f"{SANDBOX_ID}:{ec2_id()}"


def test_a_reservation_holds_until_its_end() -> None:
    claim = a_claim(reserved_until=later(5))
    assert claim.reserved(NOW)
    assert not claim.reserved(later(5))
    assert not a_claim(reserved_until=None).reserved(NOW)


def test_a_launch_id_depends_only_on_stack_queue_epoch_and_number() -> None:
    ledger = a_ledger(next_launch=7)
    assert launch_id("ci", ledger) == launch_id("ci", replace(ledger, live=9, version=4))
    assert len(launch_id("ci", ledger)) == 32
    assert int(launch_id("ci", ledger), 16)


@pytest.mark.parametrize(
    "other",
    [
        launch_id("cj", a_ledger()),
        launch_id("ci", a_ledger(queue="other")),
        launch_id("ci", a_ledger(next_launch=1)),
        # A queue that was deleted and created again numbers its launches from 0 again.
        launch_id("ci", a_ledger(epoch=ago(59))),
    ],
)
def test_a_launch_id_differs_by_stack_queue_epoch_and_number(other: str) -> None:
    assert other != launch_id("ci", a_ledger())
