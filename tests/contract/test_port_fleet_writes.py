"""Fleet: one write of several changes, with fence, assignments, freed slots and pointers.

Held by the fake and by DynamoDB alike.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.errors import Conflict
from mayfly.ports import Fleet
from mayfly.records.bounds import MOST_NOTES
from mayfly.records.changes import Assign, Change, Drop, FreeSlots, NoteBoot, Save, Unassign
from mayfly.records.ledger import Boot, Brake
from mayfly.records.model import SlotKey, saved
from mayfly.records.states import ClaimState, InstanceState
from tests.contract.fleet_worlds import ASSIGNMENT, LAUNCHING, ROW, World
from tests.contract.sample_records import (
    NOW,
    a_claim,
    a_launch,
    a_lease,
    a_ledger,
    a_stray,
    an_instance,
)


def test_a_write_with_the_fence_of_the_lease_goes_through(fleet: Fleet) -> None:
    fleet.write([Save(a_lease(fence=7))])
    fleet.write([Save(a_claim())], fence=7)
    assert fleet.claim("job-1") == saved(a_claim())


@pytest.mark.parametrize("fence", [6, 8])
def test_a_write_with_another_fence_is_a_conflict(fleet: Fleet, fence: int) -> None:
    fleet.write([Save(a_lease(fence=7))])
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim())], fence=fence)
    assert fleet.claim("job-1") is None


def test_a_write_with_a_fence_needs_a_lease(fleet: Fleet) -> None:
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim())], fence=1)


def test_the_lease_is_renewed_and_taken_over_under_its_fence(fleet: Fleet) -> None:
    lease = a_lease(fence=7)
    fleet.write([Save(lease)])
    fleet.write([Save(replace(saved(lease), until=NOW + timedelta(minutes=1)))], fence=7)
    taken = replace(lease, holder="invocation-2", fence=8, version=2)
    fleet.write([Save(taken), Save(a_claim())], fence=7)
    assert fleet.lease() == saved(taken)
    with pytest.raises(Conflict):
        fleet.write([Save(replace(saved(taken), holder="invocation-1"))], fence=7)


def test_a_job_is_bound_in_one_write(fleet_world: World) -> None:
    fleet_world.report(ROW)
    fleet_world.fleet.write([Save(a_lease()), Save(a_claim()), Save(an_instance())])
    claim = replace(saved(a_claim()), state=ClaimState.ASSIGNED)
    fleet_world.fleet.write(
        [Save(claim), Save(saved(an_instance())), Assign(ROW, ASSIGNMENT, NOW)], fence=1
    )
    assert fleet_world.fleet.claim("job-1") == saved(claim)
    assert fleet_world.assignment(ROW) == ASSIGNMENT


def test_a_mailbox_row_is_assigned_once(fleet_world: World) -> None:
    fleet_world.report(ROW)
    fleet_world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    with pytest.raises(Conflict):
        fleet_world.fleet.write([Assign(ROW, {**ASSIGNMENT, "job": "job-2"}, NOW)])
    assert fleet_world.assignment(ROW) == ASSIGNMENT


def test_a_mailbox_row_that_does_not_exist_is_not_assigned(fleet_world: World) -> None:
    with pytest.raises(Conflict):
        fleet_world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    assert fleet_world.assignment(ROW) is None


def test_an_unassigned_row_can_be_assigned_again(fleet_world: World) -> None:
    fleet_world.report(ROW)
    fleet_world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    fleet_world.fleet.write([Save(a_claim()), Unassign(ROW)])
    assert fleet_world.assignment(ROW) is None
    fleet_world.fleet.write([Unassign(ROW), Unassign("AROASAND:i-none")])
    fleet_world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    assert fleet_world.assignment(ROW) == ASSIGNMENT


def test_freeing_slots_leaves_the_version_of_the_ledger(fleet: Fleet) -> None:
    fleet.write([Save(a_ledger(live=5))])
    fleet.write([FreeSlots("deploy", 2)])
    fleet.write([Save(a_claim()), FreeSlots("deploy", 1)])
    ledger = fleet.ledger("deploy")
    assert ledger
    assert (ledger.live, ledger.version) == (2, 1)


def test_saving_a_ledger_keeps_slots_freed_since_its_read(fleet: Fleet) -> None:
    fleet.write([Save(a_ledger(live=5))])
    read = fleet.ledger("deploy")
    assert read
    fleet.write([FreeSlots("deploy", 2)])
    fleet.write([Save(replace(read, live=read.live + 4))])
    later = fleet.ledger("deploy")
    assert later
    assert (later.live, later.version) == (5 - 2 + 4, 2)
    fleet.write([FreeSlots("deploy", 1)])
    fleet.write([Save(replace(later, live=later.live + 1, misses={}))])
    last = fleet.ledger("deploy")
    assert last
    assert (last.live, last.misses) == (5 - 2 + 4 - 1 + 1, {})


def test_one_write_saves_the_ledger_and_frees_slots(fleet: Fleet) -> None:
    fleet.write([Save(a_ledger(live=5)), FreeSlots("deploy", 1)])
    first = fleet.ledger("deploy")
    assert first
    fleet.write(
        [FreeSlots("deploy", 1), Save(replace(first, live=first.live + 3)), FreeSlots("deploy", 1)]
    )
    second = fleet.ledger("deploy")
    assert (first.live, second and second.live) == (4, 4 + 3 - 2)


def test_freeing_slots_of_a_queue_without_ledger_changes_nothing(fleet: Fleet) -> None:
    fleet.write([Save(a_claim()), FreeSlots("deploy", 2)])
    assert fleet.ledger("deploy") is None
    fleet.write([Save(a_ledger())])
    assert fleet.ledger("deploy") == saved(a_ledger())


def note(number: int) -> NoteBoot:
    """A note for the queue's ledger."""
    return NoteBoot("deploy", Boot("a shape", "a spec/5", NOW, NOW, f"instance i-{number}: lost"))


def test_notes_of_boots_are_appended_whatever_the_version(fleet: Fleet) -> None:
    fleet.write([Save(a_ledger(live=5))])
    fleet.write([note(1)])
    fleet.write([Save(a_claim()), FreeSlots("deploy", 1), note(2), note(3)])
    ledger = fleet.ledger("deploy")
    assert ledger
    assert [boot.cause[:12] for boot in ledger.boots] == [f"instance i-{n}" for n in (1, 2, 3)]
    assert (ledger.live, ledger.version) == (4, 1)


def test_a_save_removes_the_notes_that_it_counted_and_keeps_those_that_came_since(
    fleet: Fleet,
) -> None:
    fleet.write([Save(a_ledger())])
    fleet.write([note(1), note(2)])
    read = fleet.ledger("deploy")
    assert read
    fleet.write([note(3)])
    brake = Brake("a spec/5", NOW, NOW, 2, "lost", (NOW,), 1, NOW + timedelta(minutes=1))
    fleet.write([Save(replace(read, boots=(), counted=2, brakes={"a shape": brake}, live=4))])
    after = fleet.ledger("deploy")
    assert after
    assert after.boots == (note(3).boot,)
    assert (after.counted, after.brakes, after.live) == (0, {"a shape": brake}, 4)
    fleet.write([Save(replace(after, live=1)), FreeSlots("deploy", 1)])
    last = fleet.ledger("deploy")
    assert last
    assert (last.boots, last.brakes, last.live) == ((note(3).boot,), {"a shape": brake}, 0)


def test_notes_that_nobody_counts_become_fewer_and_keep_number_and_newest_cause(
    fleet: Fleet,
) -> None:
    notes = tuple(note(number).boot for number in range(MOST_NOTES))
    fleet.write([Save(a_ledger(live=5, boots=notes))])
    read = fleet.ledger("deploy")
    assert read
    other = replace(note(MOST_NOTES).boot, shape="another shape")
    fleet.write([Save(a_claim()), FreeSlots("deploy", 1), NoteBoot("deploy", other)])
    after = fleet.ledger("deploy")
    assert after
    assert after.boots == (replace(notes[-1], times=MOST_NOTES), other)
    assert (after.live, after.version, fleet.claim("job-1")) == (4, 2, saved(a_claim()))
    # A save that has counted the notes by their places must not remove others.
    with pytest.raises(Conflict):
        fleet.write([Save(replace(read, boots=(), counted=MOST_NOTES))])
    fleet.write([Save(replace(after, boots=(), counted=2))])
    last = fleet.ledger("deploy")
    assert last
    assert last.boots == ()


def test_a_lost_race_beside_a_note_is_a_conflict(fleet: Fleet) -> None:
    notes = tuple(note(number).boot for number in range(MOST_NOTES))
    fleet.write([Save(a_ledger(boots=notes)), Save(a_claim())])
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim()), note(1)])
    ledger = fleet.ledger("deploy")
    assert ledger
    assert sum(boot.times for boot in ledger.boots) == MOST_NOTES


@pytest.mark.parametrize("first", [0, 1], ids=["saved first", "noted first"])
def test_a_ledger_is_not_saved_and_noted_in_at_once(fleet: Fleet, first: int) -> None:
    changes: list[Change] = [Save(a_ledger()), note(1)]
    with pytest.raises(ValueError, match="gets a note"):
        fleet.write([changes[first], changes[1 - first]])


def test_an_ec2_id_belongs_to_one_slot_for_ever(fleet: Fleet) -> None:
    fleet.write([Save(LAUNCHING)])
    fleet.write([Save(saved(LAUNCHING))])
    with pytest.raises(Conflict):
        fleet.write([Save(an_instance(1, state=InstanceState.LAUNCHING, instance_id="i-1"))])
    assert fleet.instance(SlotKey("l1", 1)) is None


def test_a_launch_of_many_slots_fits_into_one_write(fleet: Fleet) -> None:
    slots = [an_instance(n) for n in range(98)]
    fleet.write([Save(a_launch()), Save(a_ledger()), *map(Save, slots)])
    assert len(fleet.instances("deploy", [InstanceState.REQUESTED])) == 98


@pytest.mark.parametrize(
    ("changes", "fence"),
    [
        ([Save(a_claim(f"job-{n}")) for n in range(101)], None),
        ([Save(a_claim(f"job-{n}")) for n in range(100)], 1),
        (
            [
                Save(replace(LAUNCHING, key=SlotKey("l", n), instance_id=f"i-{n}"))
                for n in range(51)
            ],
            None,
        ),
        ([Save(a_claim()), Save(a_claim(priority=1))], None),
        ([Save(a_stray()), Drop(a_stray())], None),
        ([Save(LAUNCHING), Save(replace(LAUNCHING, key=SlotKey("l", 9)))], None),
    ],
)
def test_changes_that_fit_no_transaction_are_a_value_error(
    fleet: Fleet, changes: list[Save], fence: int | None
) -> None:
    with pytest.raises(ValueError, match="in one write"):
        fleet.write(changes, fence)


def test_a_write_may_have_no_changes(fleet: Fleet) -> None:
    fleet.write([])
