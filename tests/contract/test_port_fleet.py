"""The promises of `mayfly.ports.Fleet`, held by the fake and by DynamoDB alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import pytest

from mayfly.adapters.attributes import decode
from mayfly.adapters.fleet import DynamoFleet
from mayfly.adapters.transactions import Tables
from mayfly.errors import Conflict
from mayfly.model import QueueRecord, Record, SlotKey, saved
from mayfly.ports import Assign, Drop, Fleet, FreeSlots, Report, Save, Unassign
from mayfly.states import ClaimState, InstanceState, LaunchState
from mayfly_lab.fakes import FakeFleet, FakeMailbox
from tests.contract.sample_records import (
    NOW,
    a_capacity,
    a_claim,
    a_launch,
    a_lease,
    a_queue,
    a_stray,
    an_instance,
)

ROW = "AROASAND:i-1"
ASSIGNMENT = {"protocol": 1, "job": "job-1", "policy": {"rules": ["fork=no"], "repository": None}}


class World(Protocol):
    """The fleet, and what a test must do or see beside it."""

    fleet: Fleet

    def report(self, row: str) -> None: ...

    def assignment(self, row: str) -> Mapping[str, object] | None: ...


class FakeWorld:
    def __init__(self) -> None:
        self.mailbox = FakeMailbox()
        self.fleet = FakeFleet(self.mailbox)

    def report(self, row: str) -> None:
        self.mailbox.report(row, Report("sandboxed", "boot-1"))

    def assignment(self, row: str) -> Mapping[str, object] | None:
        return self.mailbox.rows[row].assignment if row in self.mailbox.rows else None


class DynamoWorld:
    def __init__(self, client: Callable[[], Any]) -> None:
        self.client = client
        self.fleet = DynamoFleet(client, Tables("fleet", "mailbox"), clock=lambda: NOW)

    def report(self, row: str) -> None:
        self.client().put_item(
            TableName="mailbox", Item={"key": {"S": row}, "report": {"M": {"phase": {"S": "x"}}}}
        )

    def item(self, table: str, **key: str) -> Mapping[str, Any]:
        ((name, value),) = key.items()
        answer = self.client().get_item(TableName=table, Key={name: {"S": value}})
        return {name: decode(value) for name, value in answer.get("Item", {}).items()}

    def assignment(self, row: str) -> Mapping[str, object] | None:
        return self.item("mailbox", key=row).get("assignment")


@pytest.fixture
def dynamo(
    aws: None,
    lazy: Callable[[str], Callable[[], Any]],
    table_definitions: Mapping[str, dict[str, Any]],
) -> Iterator[DynamoWorld]:
    client = lazy("dynamodb")
    client().create_table(TableName="fleet", **table_definitions["FleetTable"])
    client().create_table(TableName="mailbox", **table_definitions["MailboxTable"])
    yield DynamoWorld(client)
    client().delete_table(TableName="fleet")
    client().delete_table(TableName="mailbox")


@pytest.fixture(params=["fake", "dynamodb"])
def world(request: pytest.FixtureRequest) -> World:
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("dynamo")


@pytest.fixture
def fleet(world: World) -> Fleet:
    return world.fleet


LAUNCHING = an_instance(state=InstanceState.LAUNCHING, instance_id="i-1")


@pytest.mark.parametrize(
    ("record", "read"),
    [
        (a_claim(slot=SlotKey("l1", 3), token_until=NOW), lambda f: f.claim("job-1")),
        (a_claim(state=ClaimState.FINISHED), lambda f: f.claim("job-1")),
        (a_launch(), lambda f: f.launch("l1")),
        (an_instance(7), lambda f: f.instance(SlotKey("l1", 7))),
        (LAUNCHING, lambda f: f.instance(SlotKey("l1", 0))),
        (LAUNCHING, lambda f: f.instance_of("i-1")),
        (a_capacity(), lambda f: f.capacity("deploy")),
        (a_queue(), lambda f: f.queue("deploy")),
        (a_lease(), lambda f: f.lease()),
    ],
)
def test_what_is_saved_is_read_back_one_version_on(
    fleet: Fleet, record: Record, read: Callable[[Fleet], Record | None]
) -> None:
    assert read(fleet) is None
    fleet.write([Save(record)])
    assert read(fleet) == replace(record, version=1)


@pytest.mark.parametrize(
    "record",
    [a_claim(), a_launch(), an_instance(), LAUNCHING, a_capacity(), a_queue(), a_lease()],
    ids=lambda record: type(record).__name__,
)
@pytest.mark.parametrize("stale", [0, 1, 3])
def test_a_save_over_another_version_is_a_conflict(
    fleet: Fleet, record: Record, stale: int
) -> None:
    fleet.write([Save(record)])
    fleet.write([Save(replace(record, version=1))])
    with pytest.raises(Conflict):
        fleet.write([Save(replace(record, version=stale))])


def test_a_record_that_is_gone_cannot_be_saved_over(fleet: Fleet) -> None:
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim(version=1))])


def test_a_drop_removes_the_version_that_was_read_and_no_other(fleet: Fleet) -> None:
    stray = a_stray()
    fleet.write([Save(stray)])
    with pytest.raises(Conflict):
        fleet.write([Drop(replace(stray, version=2))])
    assert fleet.strays() == [saved(stray)]
    fleet.write([Drop(saved(stray))])
    assert fleet.strays() == []
    with pytest.raises(Conflict):
        fleet.write([Drop(saved(stray))])


def test_nothing_is_written_when_one_change_conflicts(world: World) -> None:
    world.fleet.write([Save(a_claim("taken"))])
    world.report(ROW)
    with pytest.raises(Conflict):
        world.fleet.write(
            [
                Save(a_claim("new")),
                Save(LAUNCHING),
                Save(a_capacity()),
                Assign(ROW, ASSIGNMENT, NOW),
                Save(a_claim("taken")),
            ]
        )
    assert world.fleet.claim("new") is None
    assert world.fleet.instance_of("i-1") is None
    assert world.fleet.capacity("deploy") is None
    assert world.assignment(ROW) is None


def test_lists_show_open_records_of_the_states_and_the_queue_asked_for(fleet: Fleet) -> None:
    waiting, assigned = a_claim("w"), a_claim("a", state=ClaimState.ASSIGNED)
    untold = a_claim("f", state=ClaimState.FAILED, told=False)
    others = [
        a_claim("r", state=ClaimState.RUNNING),
        a_claim("t", state=ClaimState.FAILED),
        a_claim("x", state=ClaimState.RELEASED),
        a_claim("o", queue="other"),
    ]
    fleet.write([Save(claim) for claim in (waiting, assigned, untold, *others)])
    wanted = {ClaimState.WAITING, ClaimState.ASSIGNED, ClaimState.FAILED}
    assert {c.job for c in fleet.claims("deploy", wanted)} == {"w", "a", "f"}
    assert fleet.claims("deploy", [ClaimState.ASSIGNED]) == [saved(assigned)]
    assert fleet.claims("deploy", []) == []


def test_a_record_moves_through_the_lists_and_out_of_them(fleet: Fleet) -> None:
    instance = an_instance()
    fleet.write([Save(instance)])
    assert fleet.instances("deploy", [InstanceState.REQUESTED]) == [saved(instance)]
    ready = replace(saved(instance), state=InstanceState.READY)
    fleet.write([Save(ready)])
    assert fleet.instances("deploy", [InstanceState.REQUESTED]) == []
    assert fleet.instances("deploy", [InstanceState.READY]) == [saved(ready)]
    gone = replace(saved(ready), state=InstanceState.TERMINATED)
    fleet.write([Save(gone)])
    assert fleet.instances("deploy", list(InstanceState)) == []
    assert fleet.instance(gone.key) == saved(gone)


def test_launches_queues_and_strays_are_listed_while_they_matter(fleet: Fleet) -> None:
    settled = a_launch("l2", state=LaunchState.SETTLED)
    fleet.write([Save(a_launch("l1")), Save(settled), Save(a_launch("l3", queue="other"))])
    fleet.write([Save(a_queue("deploy")), Save(a_queue("other", active=False))])
    fleet.write([Save(a_stray("i-1")), Save(a_stray("i-2"))])
    assert [launch.id for launch in fleet.launches("deploy")] == ["l1"]
    assert sorted(record.queue for record in fleet.queues()) == ["deploy", "other"]
    assert sorted(stray.instance_id for stray in fleet.strays()) == ["i-1", "i-2"]


def test_a_list_has_every_page(fleet: Fleet) -> None:
    # DynamoDB gives at most 1 MB at once; so many bytes need a second page.
    long = "x" * 100_000
    records = [QueueRecord(f"queue-{n:02}", long, "{}", "spec") for n in range(15)]
    for record in records:
        fleet.write([Save(record)])
    assert sorted(r.queue for r in fleet.queues()) == [r.queue for r in records]


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


def test_a_job_is_bound_in_one_write(world: World) -> None:
    world.report(ROW)
    world.fleet.write([Save(a_lease()), Save(a_claim()), Save(an_instance())])
    claim = replace(saved(a_claim()), state=ClaimState.ASSIGNED)
    world.fleet.write(
        [Save(claim), Save(saved(an_instance())), Assign(ROW, ASSIGNMENT, NOW)], fence=1
    )
    assert world.fleet.claim("job-1") == saved(claim)
    assert world.assignment(ROW) == ASSIGNMENT


def test_a_row_is_assigned_once(world: World) -> None:
    world.report(ROW)
    world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    with pytest.raises(Conflict):
        world.fleet.write([Assign(ROW, {**ASSIGNMENT, "job": "job-2"}, NOW)])
    assert world.assignment(ROW) == ASSIGNMENT


def test_a_row_without_report_is_not_assigned(world: World) -> None:
    with pytest.raises(Conflict):
        world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    assert world.assignment(ROW) is None


def test_an_assignment_is_taken_out_again(world: World) -> None:
    world.report(ROW)
    world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    world.fleet.write([Save(a_claim()), Unassign(ROW)])
    assert world.assignment(ROW) is None
    world.fleet.write([Unassign(ROW), Unassign("AROASAND:i-none")])
    world.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    assert world.assignment(ROW) == ASSIGNMENT


def test_slots_are_freed_whatever_the_version(fleet: Fleet) -> None:
    fleet.write([Save(a_capacity(live=5))])
    fleet.write([FreeSlots("deploy", 2)])
    fleet.write([Save(a_claim()), FreeSlots("deploy", 1)])
    capacity = fleet.capacity("deploy")
    assert capacity
    assert (capacity.live, capacity.version) == (2, 1)


def test_a_save_of_the_account_keeps_what_was_freed_since_it_was_read(fleet: Fleet) -> None:
    fleet.write([Save(a_capacity(live=5))])
    read = fleet.capacity("deploy")
    assert read
    fleet.write([FreeSlots("deploy", 2)])
    fleet.write([Save(replace(read, live=read.live + 4))])
    later = fleet.capacity("deploy")
    assert later
    assert (later.live, later.version) == (5 - 2 + 4, 2)
    fleet.write([FreeSlots("deploy", 1)])
    fleet.write([Save(replace(later, live=later.live + 1, misses={}))])
    last = fleet.capacity("deploy")
    assert last
    assert (last.live, last.misses) == (5 - 2 + 4 - 1 + 1, {})


def test_the_account_is_saved_and_slots_are_freed_in_one_write(fleet: Fleet) -> None:
    fleet.write([Save(a_capacity(live=5)), FreeSlots("deploy", 1)])
    first = fleet.capacity("deploy")
    assert first
    fleet.write(
        [FreeSlots("deploy", 1), Save(replace(first, live=first.live + 3)), FreeSlots("deploy", 1)]
    )
    second = fleet.capacity("deploy")
    assert (first.live, second and second.live) == (4, 4 + 3 - 2)


def test_slots_of_a_queue_without_account_are_freed_in_vain(fleet: Fleet) -> None:
    fleet.write([Save(a_claim()), FreeSlots("deploy", 2)])
    assert fleet.capacity("deploy") is None
    fleet.write([Save(a_capacity())])
    assert fleet.capacity("deploy") == saved(a_capacity())


def test_an_ec2_id_belongs_to_one_slot_for_ever(fleet: Fleet) -> None:
    fleet.write([Save(LAUNCHING)])
    fleet.write([Save(saved(LAUNCHING))])
    with pytest.raises(Conflict):
        fleet.write([Save(an_instance(1, state=InstanceState.LAUNCHING, instance_id="i-1"))])
    assert fleet.instance(SlotKey("l1", 1)) is None


def test_a_launch_of_many_slots_fits_into_one_write(fleet: Fleet) -> None:
    slots = [an_instance(n) for n in range(98)]
    fleet.write([Save(a_launch()), Save(a_capacity()), *map(Save, slots)])
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
def test_what_no_transaction_can_do_is_a_defect(
    fleet: Fleet, changes: list[Save], fence: int | None
) -> None:
    with pytest.raises(ValueError, match="in one write"):
        fleet.write(changes, fence)


def test_no_change_is_no_write(fleet: Fleet) -> None:
    fleet.write([])


def test_closed_records_leave_the_index_and_expire(dynamo: DynamoWorld) -> None:
    dynamo.fleet.write([Save(a_claim()), Save(LAUNCHING)])
    open_item = dynamo.item("fleet", pk="claim#job-1")
    assert (open_item["open_queue"], open_item["open_state"]) == ("deploy", "claim#waiting#job-1")
    assert "expires" not in open_item
    dynamo.fleet.write([Save(a_claim(state=ClaimState.FINISHED, version=1))])
    closed = dynamo.item("fleet", pk="claim#job-1")
    assert not {"open_queue", "open_state"} & closed.keys()
    assert closed["expires"] == int((NOW + timedelta(days=30)).timestamp())
    pointer = dynamo.item("fleet", pk="ec2#i-1")
    assert pointer["slot"] == {"launch": "l1", "number": 0}
    assert pointer["expires"] > closed["expires"]


def test_an_assigned_row_expires(dynamo: DynamoWorld) -> None:
    dynamo.report(ROW)
    dynamo.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    assert dynamo.item("mailbox", key=ROW)["expires"] == int(NOW.timestamp())
    dynamo.fleet.write([Unassign("AROASAND:i-none")])
    assert dynamo.item("mailbox", key="AROASAND:i-none")["expires"] > NOW.timestamp()


def test_a_row_that_cannot_be_read_does_not_hold_up_the_list(
    dynamo: DynamoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    dynamo.fleet.write([Save(a_claim("good"))])
    dynamo.client().put_item(
        TableName="fleet",
        Item={
            "pk": {"S": "claim#bad"},
            "open_queue": {"S": "deploy"},
            "open_state": {"S": "claim#waiting#bad"},
            "version": {"N": "1"},
        },
    )
    assert [c.job for c in dynamo.fleet.claims("deploy", [ClaimState.WAITING])] == ["good"]
    assert "claim#bad" in caplog.text
