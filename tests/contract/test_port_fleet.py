"""Fleet: records are read back as saved, and a save replaces only the version that was read.

Held by the fake and by DynamoDB alike, like `test_port_fleet_writes.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mayfly.errors import Conflict, Misconfigured
from mayfly.ports import Fleet
from mayfly.records.changes import Assign, Drop, Save, Unassign
from mayfly.records.model import QueueRecord, Record, SlotKey, saved
from mayfly.records.prices import Prices
from mayfly.records.states import OPEN_INSTANCES, ClaimState, InstanceState, LaunchState
from mayfly_protocol.job_facts import JobFacts
from tests.contract.fleet_worlds import ASSIGNMENT, LAUNCHING, ROW, DynamoWorld, World
from tests.contract.sample_records import (
    NOW,
    a_claim,
    a_launch,
    a_lease,
    a_ledger,
    a_queue,
    a_standing,
    a_stray,
    an_instance,
)

FACTS = JobFacts("acme", "web", "41", "git@github.com:acme/web", "main", "ui", "no", ("core",))


@pytest.mark.parametrize(
    ("record", "read"),
    [
        (a_claim(slot=SlotKey("l1", 3), token_until=NOW), lambda f: f.claim("job-1")),
        (a_claim(facts=FACTS), lambda f: f.claim("job-1")),
        (a_claim(state=ClaimState.FINISHED), lambda f: f.claim("job-1")),
        (a_launch(), lambda f: next(iter(f.launches("deploy")), None)),
        (an_instance(7), lambda f: f.instance(SlotKey("l1", 7))),
        (LAUNCHING, lambda f: f.instance(SlotKey("l1", 0))),
        (LAUNCHING, lambda f: f.instance_of("i-1")),
        (a_ledger(), lambda f: f.ledger("deploy")),
        (a_queue(), lambda f: f.queue("deploy")),
        (a_lease(), lambda f: f.lease()),
        (
            Prices(NOW, ("m7i.large",), {"m7i.large": "0.1"}, NOW, {"a/m7i.large": "0.04"}),
            lambda f: f.prices(),
        ),
        (a_standing(), lambda f: f.standing("provision", "deploy")),
        (a_standing(), lambda f: next(iter(f.standings()), None)),
    ],
)
def test_a_saved_record_is_read_back_one_version_higher(
    fleet: Fleet, record: Record, read: Callable[[Fleet], Record | None]
) -> None:
    assert read(fleet) is None
    fleet.write([Save(record)])
    assert read(fleet) == replace(record, version=1)


def test_records_are_read_by_their_ec2_ids_and_ids_without_a_record_are_omitted(
    fleet: Fleet,
) -> None:
    second = replace(LAUNCHING, key=SlotKey("l1", 1), instance_id="i-2")
    fleet.write([Save(LAUNCHING), Save(second)])
    found = fleet.instances_of(["i-2", "i-of-somebody-else", "i-1", "i-2"])
    assert (found, found.unreadable) == ([saved(LAUNCHING), saved(second)], frozenset())
    assert fleet.instances_of(["i-of-somebody-else"]) == []
    assert fleet.instances_of([]) == []


@pytest.mark.parametrize(
    "record",
    [
        *(a_claim(), a_launch(), an_instance(), LAUNCHING),
        *(a_ledger(), a_queue(), a_lease(), a_standing()),
    ],
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


def test_saving_over_a_missing_record_is_a_conflict(fleet: Fleet) -> None:
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim(version=1))])


def test_a_drop_removes_only_the_version_that_was_read(fleet: Fleet) -> None:
    stray = a_stray()
    fleet.write([Save(stray)])
    with pytest.raises(Conflict):
        fleet.write([Drop(replace(stray, version=2))])
    assert fleet.strays() == [saved(stray)]
    fleet.write([Drop(saved(stray))])
    assert fleet.strays() == []
    with pytest.raises(Conflict):
        fleet.write([Drop(saved(stray))])


def test_nothing_is_written_when_one_change_conflicts(fleet_world: World) -> None:
    fleet_world.fleet.write([Save(a_claim("taken"))])
    fleet_world.report(ROW)
    with pytest.raises(Conflict):
        fleet_world.fleet.write(
            [
                Save(a_claim("new")),
                Save(LAUNCHING),
                Save(a_ledger()),
                Assign(ROW, ASSIGNMENT, NOW),
                Save(a_claim("taken")),
            ]
        )
    assert fleet_world.fleet.claim("new") is None
    assert fleet_world.fleet.instance_of("i-1") is None
    assert fleet_world.fleet.ledger("deploy") is None
    assert fleet_world.assignment(ROW) is None


def test_lists_have_open_records_of_the_given_states_and_queue(fleet: Fleet) -> None:
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


def test_a_record_moves_between_lists_with_its_state_and_leaves_them_closed(fleet: Fleet) -> None:
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


@pytest.mark.parametrize(
    "asked",
    [
        set(),
        {InstanceState.READY},
        {InstanceState.REQUESTED, InstanceState.SWAPPING},
        {InstanceState.REQUESTED, InstanceState.LAUNCHING, InstanceState.BOOTING},
        {InstanceState.READY, InstanceState.RUNNING, InstanceState.DONE},
        set(OPEN_INSTANCES),
    ],
)
def test_a_list_of_instances_has_exactly_the_given_states(
    fleet: Fleet, asked: set[InstanceState]
) -> None:
    every = [an_instance(n, state=state) for n, state in enumerate(sorted(OPEN_INSTANCES))]
    fleet.write([Save(instance) for instance in every])
    fleet.write([Save(a_claim()), Save(a_launch())])
    assert {i.state for i in fleet.instances("deploy", asked)} == asked


def test_many_slots_are_read_at_once_in_any_state(fleet: Fleet) -> None:
    asked = [SlotKey("l1", number) for number in range(120)]
    gone = an_instance(1, state=InstanceState.TERMINATED)
    others = [an_instance(0), an_instance(119, state=InstanceState.RUNNING)]
    fleet.write([Save(each) for each in (*others, gone)])
    assert fleet.slots([*asked, *asked]) == [saved(i) for i in (others[0], gone, others[1])]
    assert fleet.slots([SlotKey("l2", 0)]) == fleet.slots([]) == []


def test_many_claims_are_read_at_once_in_any_state(fleet: Fleet) -> None:
    every = [a_claim("b"), a_claim("a", state=ClaimState.FINISHED), a_claim("other")]
    fleet.write([Save(claim) for claim in every])
    asked = ["b", "a", "unknown", *(f"job-{n}" for n in range(150))]
    assert fleet.claims_of(asked) == [saved(every[1]), saved(every[0])]
    assert fleet.claims_of([]) == []


def test_states_of_neighbouring_ranks_take_one_query(dynamo: DynamoWorld) -> None:
    queries: list[object] = []
    dynamo.client.meta.events.register(
        "provide-client-params.dynamodb.Query", lambda params, **_: queries.append(params)
    )
    # The one closed state, whose records may still owe their last words, lies between open ones.
    dynamo.fleet.instances("deploy", OPEN_INSTANCES)
    assert len(queries) == 2
    dynamo.fleet.claims("deploy", {ClaimState.FAILED, ClaimState.WAITING, ClaimState.ASSIGNED})
    assert len(queries) == 3
    dynamo.fleet.instances("deploy", {InstanceState.REQUESTED, InstanceState.READY})
    assert len(queries) == 5


def test_open_launches_and_all_queues_and_strays_are_listed(fleet: Fleet) -> None:
    settled = a_launch("l2", state=LaunchState.SETTLED)
    fleet.write([Save(a_launch("l1")), Save(settled), Save(a_launch("l3", queue="other"))])
    fleet.write([Save(a_queue("deploy")), Save(a_queue("other", active=False))])
    fleet.write([Save(a_stray("i-1")), Save(a_stray("i-2"))])
    assert [launch.id for launch in fleet.launches("deploy")] == ["l1"]
    assert sorted(record.queue for record in fleet.queues()) == ["deploy", "other"]
    assert sorted(stray.instance_id for stray in fleet.strays()) == ["i-1", "i-2"]


def test_standings_of_all_queues_and_functions_are_one_list(fleet: Fleet) -> None:
    of_dispatch, other = a_standing(function="dispatch"), a_standing("other")
    fleet.write([Save(a_standing()), Save(of_dispatch), Save(other)])
    found = {(each.function, each.queue): each for each in fleet.standings()}
    assert found == {
        ("provision", "deploy"): saved(a_standing()),
        ("dispatch", "deploy"): saved(of_dispatch),
        ("provision", "other"): saved(other),
    }
    assert fleet.standing("dispatch", "deploy") == saved(of_dispatch)
    assert fleet.standing("dispatch", "other") is None


def test_a_standing_that_nobody_renews_expires(dynamo: DynamoWorld) -> None:
    dynamo.fleet.write([Save(a_standing())])
    item = dynamo.item("fleet", pk="standing#provision/deploy")
    assert (item["open_queue"], item["open_state"]) == (
        "#standings",
        "standing#open#provision/deploy",
    )
    assert item["expires"] == int((NOW + timedelta(days=1)).timestamp())


def test_a_list_of_records_has_every_page(fleet: Fleet) -> None:
    # DynamoDB returns at most 1 MB a page; 15 rows of 100 kB need two pages.
    long = "x" * 100_000
    records = [QueueRecord(f"queue-{n:02}", long, "{}", "spec") for n in range(15)]
    for record in records:
        fleet.write([Save(record)])
    assert sorted(r.queue for r in fleet.queues()) == [r.queue for r in records]


def test_closed_records_leave_the_index_and_expire(dynamo: DynamoWorld) -> None:
    dynamo.fleet.write([Save(a_claim()), Save(LAUNCHING)])
    open_item = dynamo.item("fleet", pk="claim#job-1")
    assert (open_item["open_queue"], open_item["open_state"]) == (
        "deploy",
        "claim#01:waiting#job-1",
    )
    assert "expires" not in open_item
    dynamo.fleet.write([Save(a_claim(state=ClaimState.FINISHED, version=1))])
    closed = dynamo.item("fleet", pk="claim#job-1")
    assert not {"open_queue", "open_state"} & closed.keys()
    assert closed["expires"] == int((NOW + timedelta(days=30)).timestamp())
    pointer = dynamo.item("fleet", pk="ec2#i-1")
    assert pointer["slot"] == {"launch": "l1", "number": 0}
    assert pointer["expires"] > closed["expires"]


def test_assigned_and_unassigned_rows_expire(dynamo: DynamoWorld) -> None:
    dynamo.report(ROW)
    dynamo.fleet.write([Assign(ROW, ASSIGNMENT, NOW)])
    assert dynamo.item("mailbox", key=ROW)["expires"] == int(NOW.timestamp())
    dynamo.fleet.write([Unassign("AROASAND:i-none")])
    assert dynamo.item("mailbox", key="AROASAND:i-none")["expires"] > NOW.timestamp()


def test_an_unreadable_row_is_logged_and_left_out_of_its_list(
    dynamo: DynamoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    dynamo.fleet.write([Save(a_claim("good"))])
    dynamo.client.put_item(
        TableName="fleet",
        Item={
            "pk": {"S": "claim#bad"},
            "open_queue": {"S": "deploy"},
            "open_state": {"S": "claim#01:waiting#bad"},
            "version": {"N": "1"},
        },
    )
    assert [c.job for c in dynamo.fleet.claims("deploy", [ClaimState.WAITING])] == ["good"]
    assert "claim#bad" in caplog.text
    assert [record.__dict__["job"] for record in caplog.records] == ["bad"]


@pytest.mark.parametrize(
    ("key", "read", "about"),
    [
        ("capacity#deploy", lambda fleet: fleet.ledger("deploy"), {"queue": "deploy"}),
        ("prices#ec2", lambda fleet: fleet.prices(), {}),
        ("instance#l1/0", lambda fleet: fleet.instance(SlotKey("l1", 0)), {"launch": "l1"}),
    ],
)
def test_the_log_names_what_an_unreadable_row_is_about(
    dynamo: DynamoWorld,
    caplog: pytest.LogCaptureFixture,
    key: str,
    read: Callable[[Fleet], object],
    about: dict[str, str],
) -> None:
    dynamo.client.put_item(TableName="fleet", Item={"pk": {"S": key}, "version": {"N": "1"}})
    with pytest.raises(Misconfigured):
        read(dynamo.fleet)
    (line,) = caplog.records
    assert {n: v for n, v in line.__dict__.items() if n in {"queue", "launch", "job"}} == about


def test_an_unreadable_row_or_pointer_is_named_by_its_ec2_id(
    dynamo: DynamoWorld, caplog: pytest.LogCaptureFixture
) -> None:
    second = replace(LAUNCHING, key=SlotKey("l1", 1), instance_id="i-2")
    dynamo.fleet.write([Save(LAUNCHING), Save(second)])
    broken = {"pk": {"S": "instance#l1/1"}, "version": {"N": "1"}}
    dynamo.client.put_item(TableName="fleet", Item=broken)
    dynamo.client.put_item(TableName="fleet", Item={"pk": {"S": "ec2#i-3"}})
    found = dynamo.fleet.instances_of(["i-1", "i-2", "i-3", "i-4"])
    assert found == [saved(LAUNCHING)]
    assert found.unreadable == {"i-2", "i-3"}
    assert "row instance#l1/1 cannot be read" in caplog.text
    assert "row ec2#i-3 cannot be read" in caplog.text
