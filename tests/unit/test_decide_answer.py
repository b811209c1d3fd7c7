"""EC2's answer to a launch: ids of slots, freed slots, the time of the next try."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from mayfly.answers import Launched
from mayfly.errors import Illegal, Misconfigured
from mayfly.provision.purchase import Purchase
from mayfly.provision.request import fleet_request
from mayfly.provision.settlement import (
    ledger_after,
    overdue,
    recovered_answer,
    settlement_changes,
)
from mayfly.records.changes import FreeSlots, Save
from mayfly.records.ledger import Ledger
from mayfly.records.losses import SPOT_DRY
from mayfly.records.model import Instance, Launch, Shape
from mayfly.records.states import REPEAT_LAUNCH, InstanceState, LaunchState
from tests.unit.builders import (
    NOW,
    QUEUE,
    SHAPE,
    TYPES,
    a_launch,
    a_ledger,
    ago,
    an_instance,
    ec2_id,
    later,
    slot,
)
from tests.unit.published import TEMPLATES, infra

SLOTS = tuple(an_instance(InstanceState.REQUESTED, n) for n in range(3))
FULL = Launched((ec2_id(3), ec2_id(1), ec2_id(2)))
PARTIAL = Launched((ec2_id(2), ec2_id(1)), ("InsufficientInstanceCapacity: none left",))
NONE = Launched((), ("InsufficientInstanceCapacity: none left",))


def instances(answer: Launched) -> list[Instance]:
    changes = settlement_changes(a_launch(3), SLOTS, answer, NOW)
    records = [change.record for change in changes if isinstance(change, Save)]
    return [record for record in records if isinstance(record, Instance)]


# -- filling slots ---------------------------------------------------------------------------------


def test_ids_fill_slots_in_sorted_order_whatever_order_ec2_gives() -> None:
    assert [(i.key, i.instance_id) for i in instances(FULL)] == [
        (slot(0), ec2_id(1)),
        (slot(1), ec2_id(2)),
        (slot(2), ec2_id(3)),
    ]
    assert all(i.state is InstanceState.LAUNCHING for i in instances(FULL))


def test_slots_that_ec2_did_not_launch_are_closed_with_a_reason_and_freed() -> None:
    made = instances(PARTIAL)
    assert [i.state for i in made] == ["launching", "launching", "terminated"]
    assert made[2].reason == "not launched: InsufficientInstanceCapacity: none left"
    assert FreeSlots(QUEUE, 1) in settlement_changes(a_launch(3), SLOTS, PARTIAL, NOW)


def test_a_complete_launch_frees_no_slot() -> None:
    changes = settlement_changes(a_launch(3), SLOTS, FULL, NOW)
    assert not [change for change in changes if isinstance(change, FreeSlots)]


def test_a_launch_of_no_instance_frees_every_slot_once() -> None:
    changes = settlement_changes(a_launch(3), SLOTS, NONE, NOW)
    assert [c for c in changes if isinstance(c, FreeSlots)] == [FreeSlots(QUEUE, 3)]
    assert all(i.state is InstanceState.TERMINATED for i in instances(NONE))


def test_an_answered_launch_is_settled_with_its_errors_and_its_count() -> None:
    (first, *_) = settlement_changes(a_launch(3), SLOTS, PARTIAL, later(1))
    assert isinstance(first, Save)
    assert isinstance(first.record, Launch)
    assert first.record.state is LaunchState.SETTLED
    assert first.record.errors == PARTIAL.errors
    assert first.record.reason == "EC2 launched 2 of 3"


def test_a_settled_launch_is_not_settled_again() -> None:
    with pytest.raises(Illegal):
        settlement_changes(a_launch(state=LaunchState.SETTLED), SLOTS, FULL, NOW)


def test_a_launch_record_keeps_at_most_ten_errors() -> None:
    answer = Launched((), tuple(f"Error{n}: text" for n in range(50)))
    (first, *_) = settlement_changes(a_launch(3), SLOTS, answer, NOW)
    assert isinstance(first, Save)
    assert isinstance(first.record, Launch)
    assert len(first.record.errors) == 10


# -- lost answers ----------------------------------------------------------------------------------


def test_a_launch_is_repeated_for_ten_minutes() -> None:
    launch = a_launch(created=NOW)
    assert not overdue(launch, NOW + REPEAT_LAUNCH)
    assert overdue(launch, NOW + REPEAT_LAUNCH + timedelta(seconds=1))
    assert timedelta(minutes=10) == REPEAT_LAUNCH


@pytest.mark.parametrize(
    ("seen", "ids", "complete"),
    [
        ([], (), False),
        ([ec2_id(2), ec2_id(1)], (ec2_id(1), ec2_id(2)), False),
        ([ec2_id(3), ec2_id(2), ec2_id(1)], (ec2_id(1), ec2_id(2), ec2_id(3)), True),
        ([ec2_id(n) for n in range(5)], (ec2_id(0), ec2_id(1), ec2_id(2)), True),
    ],
)
def test_instances_with_the_tag_of_a_launch_are_adopted(
    seen: list[str], ids: tuple[str, ...], complete: bool
) -> None:
    answer = recovered_answer(a_launch(3), seen)
    assert answer.instance_ids == ids
    assert bool(answer.errors) is not complete


# -- the ledger ------------------------------------------------------------------------------------

SPOT = replace(SHAPE, purchase="spot")
BOTH = replace(SHAPE, purchase="spot-then-on-demand")
_LATE = later(seconds=50)
POOLS = tuple(f"{kind}/{subnet}" for kind in TYPES for subnet in ("subnet-0a", "subnet-0b"))


def by_spot(shape: Shape) -> Launch:
    """A launch of three by spot, from `POOLS`."""
    pools = tuple((kind, subnet) for kind, _, subnet in (each.partition("/") for each in POOLS))
    request = fleet_request(infra(), shape, Purchase("spot", pools), 3, {})
    return a_launch(3, shape=shape, market="spot", request=request)


@dataclass(frozen=True)
class LedgerCase:
    story: str
    got: int
    launch: Launch = field(default_factory=lambda: a_launch(3))
    before: dict[str, Any] = field(default_factory=dict)
    retry: float | None = None
    """Seconds until the next launch of this shape; None without a wait."""
    misses: int = 0
    dry: bool = False
    named: tuple[str, ...] = ()
    """Pools that EC2 names as dry."""


def refused(misses: int, shape: Shape = SHAPE, minutes: float = 1) -> dict[str, Any]:
    """Refusals of a shape, the last of which had its wait end these minutes ago."""
    return {"misses": {str(shape): misses}, "retry_at": {str(shape): ago(minutes)}}


LEDGERS = [
    LedgerCase("a complete launch causes no wait", 3),
    LedgerCase("a partial launch causes no wait", 1),
    LedgerCase("the first launch of nothing waits 5 s", 0, retry=5, misses=1),
    LedgerCase("the second waits 10 s", 0, before=refused(1), retry=10, misses=2),
    LedgerCase("the fourth waits 40 s", 0, before=refused(3), retry=40, misses=4),
    LedgerCase("the hundredth waits 60 s", 0, before=refused(99), retry=60, misses=100),
    LedgerCase(
        "refusals of long ago count no more", 0, before=refused(9, minutes=5), retry=5, misses=1
    ),
    LedgerCase(
        "one instance ends the wait",
        1,
        before={"misses": {str(SHAPE): 9}, "retry_at": {str(SHAPE): _LATE}},
    ),
    LedgerCase(
        "a queue of spot only waits",
        0,
        by_spot(SPOT),
        retry=5,
        misses=1,
        dry=True,
    ),
    LedgerCase(
        "a partial spot launch marks spot as dry",
        2,
        by_spot(SPOT),
        dry=True,
    ),
    LedgerCase(
        "without spot capacity, on-demand is tried at once",
        0,
        by_spot(BOTH),
        retry=0,
        misses=1,
        dry=True,
    ),
    LedgerCase(
        "while pools are left, they are asked at once",
        *(0, by_spot(BOTH), {}, 0, 1),
        named=POOLS[:2],
    ),
    LedgerCase(
        "a queue of spot only asks the pools that are left at once",
        *(0, by_spot(SPOT), {}, 0, 1),
        named=POOLS[:3],
    ),
    LedgerCase(
        "a partial launch that names dry pools does not end spot",
        *(1, by_spot(BOTH), {}, None, 0),
        named=POOLS[:1],
    ),
    LedgerCase(
        "once all pools are named, on-demand is tried at once",
        *(0, by_spot(BOTH), {}, 0, 1, True),
        named=POOLS,
    ),
    LedgerCase(
        "after three requests for spot, on-demand is tried whatever is left",
        *(0, by_spot(BOTH), refused(2, BOTH), 0, 3, True),
        named=POOLS[:1],
    ),
    LedgerCase(
        "without capacity in both markets the shape waits",
        0,
        a_launch(3, shape=BOTH, market="on-demand"),
        refused(1, BOTH),
        retry=10,
        misses=2,
    ),
]


def got(instances: int, dry: Iterable[str] = ()) -> Launched:
    """EC2's answer with so many instances, which names these pools as dry."""
    return Launched(tuple(map(ec2_id, range(instances))), dry=frozenset(dry))


@pytest.mark.parametrize("row", LEDGERS, ids=lambda row: row.story)
def test_how_an_answer_of_ec2_changes_the_ledger(row: LedgerCase) -> None:
    shape = str(row.launch.shape)
    after = ledger_after(a_ledger(live=7, **row.before), row.launch, got(row.got, row.named), NOW)
    until = {shape: NOW + timedelta(seconds=row.retry)} if row.retry is not None else {}
    assert after.retry_at == until
    assert after.misses.get(shape, 0) == row.misses
    assert after.spot_dry_until == ({shape: NOW + SPOT_DRY} if row.dry else {})
    assert after.dry_pools == dict.fromkeys(row.named, NOW + SPOT_DRY)
    assert after.live == 7  # slots are freed in the write of the launch


def test_past_waits_are_dropped_and_waits_of_other_shapes_stay() -> None:
    times: dict[str, datetime] = {"gone": ago(5), "past": NOW, "other": later(1)}
    misses = dict.fromkeys(times, 4)
    before: Ledger = a_ledger(retry_at=times, spot_dry_until=times, dry_pools=times, misses=misses)
    after = ledger_after(before, a_launch(), got(1), NOW)
    assert after.spot_dry_until == after.dry_pools == {"other": later(1)}
    assert after.retry_at == {"past": NOW, "other": later(1)}
    assert after.misses == {"past": 4, "other": 4}
    assert ledger_after(after, a_launch(), got(1), later(5)).misses == {"other": 4}


# -- the request -----------------------------------------------------------------------------------


def test_a_stack_without_a_template_for_the_architecture_is_misconfigured() -> None:
    only = infra(templates={"x86_64": TEMPLATES["x86_64"]})
    with pytest.raises(Misconfigured, match="no launch template for arm64"):
        fleet_request(only, replace(SHAPE, architecture="arm64"), Purchase("spot", ()), 1, {})


@pytest.mark.parametrize(
    ("market", "options", "priorities"),
    [
        (
            *("spot", {"SpotOptions": {"AllocationStrategy": "capacity-optimized-prioritized"}}),
            [0.0, 0.0, 1.0, 1.0],
        ),
        (
            *("on-demand", {"OnDemandOptions": {"AllocationStrategy": "prioritized"}}),
            [0.0, 1.0, 2.0, 3.0],
        ),
    ],
)
def test_both_markets_keep_the_order_of_preference(
    market: str, options: dict[str, Any], priorities: list[float]
) -> None:
    pools = tuple((kind, subnet) for kind in TYPES for subnet in ("subnet-0a", "subnet-0b"))
    request = json.loads(fleet_request(infra(), SHAPE, Purchase(market, pools), 1, {}))
    assert {key: request[key] for key in request if key.endswith("Options")} == options
    overrides = request["LaunchTemplateConfigs"][0]["Overrides"]
    assert [(each["InstanceType"], each["SubnetId"]) for each in overrides] == list(pools)
    assert [each["Priority"] for each in overrides] == priorities
