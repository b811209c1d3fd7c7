"""Provision: number, shape and market of launches, and the reasons for no launch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from mayfly.config.queue import QueueConfig, Script
from mayfly.provision.actions import AdoptLaunch, ProvisionAction, RecordLaunch, SendLaunch
from mayfly.provision.decide import decide
from mayfly.provision.gather import STOPPED, SUPPLY
from mayfly.provision.settlement import overdue
from mayfly.provision.shares import LAUNCH_AT_ONCE
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import Ledger, launch_id
from mayfly.records.model import Claim, Instance, Pinned, Shape
from mayfly.records.states import REPEAT_LAUNCH, InstanceState, LaunchState
from mayfly.tick.actions import WriteRecords
from tests.unit.builders import (
    BOOTSTRAP,
    BOOTSTRAP_ID,
    LAUNCH,
    NOW,
    QUEUE,
    SANDBOX,
    SANDBOX_ID,
    SHAPE,
    SPEC,
    STACK,
    TYPES,
    a_claim,
    a_config,
    a_launch,
    a_ledger,
    ago,
    an_instance,
    later,
    saves,
)
from tests.unit.published import TEMPLATES, infra

ARM = replace(SHAPE, architecture="arm64")
S = InstanceState


def a_view(**changes: Any) -> ProvisionView:
    made = ProvisionView(
        stack=STACK,
        infra=infra(),
        spec=SPEC,
        waiting=(),
        instances=(),
        launches=(),
        slots={},
        ledger=a_ledger(),
    )
    return replace(made, **changes)


def decided(view: ProvisionView, config: QueueConfig | None = None) -> list[ProvisionAction]:
    return decide(view, config or a_config(), NOW)


def started(actions: list[ProvisionAction]) -> list[tuple[str, int]]:
    """Shape and number of instances of every recorded launch."""
    return [(str(a.launch.shape), a.launch.slots) for a in actions if isinstance(a, RecordLaunch)]


def launched(view: ProvisionView, config: QueueConfig | None = None) -> int:
    return sum(count for _, count in started(decided(view, config)))


def waiting(count: int, **changes: Any) -> tuple[Claim, ...]:
    return tuple(a_claim(f"job-{n}", **changes) for n in range(count))


def of(*states: InstanceState, **changes: Any) -> tuple[Instance, ...]:
    return tuple(an_instance(state, n, **changes) for n, state in enumerate(states))


# -- limits that all shapes share -----------------------------------------------------------------

LARGE = replace(SHAPE, instance_types=("m7i.large",))


def of_pipeline(pipeline: str, count: int, shape: Shape, minutes: int) -> tuple[Claim, ...]:
    """Jobs of a pipeline, of which the first has waited this long, and each next one less."""
    return tuple(
        a_claim(
            f"{pipeline}-{n}",
            pipeline=pipeline,
            shape=shape,
            rules=None,
            runnable_at=ago(60 * minutes - n),
        )
        for n in range(count)
    )


MIXED = (*of_pipeline("many", 9, SHAPE, 60), *of_pipeline("few", 2, LARGE, 5))


def test_pipelines_share_the_places_that_are_left_in_turn() -> None:
    view = a_view(waiting=MIXED, ledger=a_ledger(live=46))
    assert started(decided(view)) == [(str(SHAPE), 2)]
    # The next tick sees these two on their way, and the ledger with them.
    coming = of(S.REQUESTED, S.REQUESTED, created=NOW)
    view = replace(view, instances=coming, ledger=a_ledger(live=48))
    assert started(decided(view)) == [(str(LARGE), 2)]


def test_the_last_place_is_the_oldest_jobs_however_many_wait_with_it() -> None:
    many = (*of_pipeline("many", 99, SHAPE, 60), *MIXED[-2:])
    assert started(decided(a_view(waiting=many, ledger=a_ledger(live=49)))) == [(str(SHAPE), 1)]


def test_a_pipeline_with_jobs_on_instances_comes_after_one_without() -> None:
    view = a_view(waiting=MIXED, ledger=a_ledger(live=49), busy_pipelines={"many": 7})
    assert started(decided(view)) == [(str(LARGE), 1)]


def test_a_shape_that_must_wait_takes_no_place() -> None:
    waits = a_ledger(live=46, retry_at={str(LARGE): later(9)}, misses={str(LARGE): 1})
    assert started(decided(a_view(waiting=MIXED, ledger=waits))) == [(str(SHAPE), 4)]


def test_the_pool_gets_what_jobs_leave() -> None:
    view = a_view(waiting=MIXED[-2:], ledger=a_ledger(live=47))
    assert started(decided(view, a_config(hot=5))) == [(str(LARGE), 2)]
    coming = of(S.REQUESTED, S.REQUESTED, created=NOW, shape=LARGE)
    view = replace(view, instances=coming, ledger=a_ledger(live=49))
    assert started(decided(view, a_config(hot=5))) == [(str(SHAPE), 1)]


@pytest.mark.parametrize(("busy", "launch"), [({}, 3), ({"many": 2}, 1), ({"many": 3}, 0)])
def test_no_instance_is_launched_for_jobs_over_their_pipelines_limit(
    busy: dict[str, int], launch: int
) -> None:
    view = a_view(waiting=MIXED[:9], busy_pipelines=busy)
    assert launched(view, a_config(per_pipeline=3)) == launch


# -- the number of launches ------------------------------------------------------------------------


@dataclass(frozen=True)
class Sum:
    story: str
    launch: int
    waiting: tuple[Claim, ...] = ()
    instances: tuple[Instance, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=a_ledger)


SUMS = [
    Sum("without jobs and pool nothing is launched", 0),
    Sum("each waiting job gets an instance", 3, waiting(3)),
    Sum("ready instances are subtracted", 1, waiting(3), of(S.READY, S.READY)),
    Sum("coming instances are subtracted", 0, waiting(3), of(S.REQUESTED, S.BOOTING, S.SWAPPING)),
    Sum("an empty pool is filled", 2, config={"hot": 2}),
    Sum("a full pool gets no instance", 0, (), of(S.READY, S.READY), {"hot": 2}),
    Sum("jobs and pool are added", 3, waiting(2), of(S.READY), {"hot": 2}),
    Sum(
        "coming instances count for jobs and pool",
        1,
        waiting(2),
        of(S.LAUNCHING, S.READY),
        {"hot": 1},
    ),
    Sum("a surplus launches nothing", 0, waiting(1), of(S.READY, S.READY, S.READY)),
    Sum("a paused queue has no demand", 0, waiting(3), config={"paused": True}),
    Sum("a paused queue has no pool", 0, config={"paused": True, "hot": 2}),
    Sum("a job without reservation is no demand", 0, waiting(2, reserved_until=None)),
    Sum("a job with an expired reservation is no demand", 0, waiting(2, reserved_until=NOW)),
    Sum("the ledger limits, not the list", 2, waiting(9), ledger=a_ledger(live=48)),
    Sum("a ledger at the limit allows no launch", 0, waiting(9), ledger=a_ledger(live=50)),
    Sum("a ledger beyond the limit allows no launch", 0, waiting(9), ledger=a_ledger(live=60)),
    Sum("a limit that was lowered holds at once", 1, waiting(9), (), {"max_instances": 1}),
    Sum("launches a minute are limited", 4, waiting(9), (), {"max_launches_per_minute": 4}),
    Sum(
        "launches of the last minute count against the limit",
        1,
        waiting(9),
        (),
        {"max_launches_per_minute": 4},
        a_ledger(recent=((ago(seconds=59), 1), (ago(seconds=1), 2))),
    ),
    Sum(
        "launches before the last minute do not count",
        4,
        waiting(9),
        (),
        {"max_launches_per_minute": 4},
        a_ledger(recent=((ago(1), 4),)),
    ),
    Sum(
        "a launch fits into one transaction",
        LAUNCH_AT_ONCE,
        waiting(LAUNCH_AT_ONCE + 1),
        (),
        {"max_instances": 500},
    ),
    Sum(
        "a shape without capacity is not launched before its retry time",
        0,
        waiting(1),
        ledger=a_ledger(retry_at={str(SHAPE): later(seconds=1)}),
    ),
    Sum(
        "a shape without capacity is launched at its retry time",
        1,
        waiting(1),
        ledger=a_ledger(retry_at={str(SHAPE): NOW}),
    ),
]


@pytest.mark.parametrize("row", SUMS, ids=lambda row: row.story)
def test_launches_are_waiting_jobs_plus_target_less_ready_and_coming(row: Sum) -> None:
    view = a_view(waiting=row.waiting, instances=row.instances, ledger=row.ledger)
    assert launched(view, a_config(**row.config)) == row.launch


COMING = {S.REQUESTED, S.LAUNCHING, S.BOOTING, S.BOOTSTRAPPED, S.SWAPPING}


@pytest.mark.parametrize("state", sorted(COMING | {S.READY}))
def test_every_state_up_to_ready_counts_as_supply(state: InstanceState) -> None:
    assert state in SUPPLY
    assert launched(a_view(waiting=waiting(1), instances=of(state))) == 0


def test_busy_and_condemned_instances_do_not_count_as_supply() -> None:
    assert COMING | {S.READY, S.STARTING} | STOPPED == SUPPLY


# -- shapes ----------------------------------------------------------------------------------------


def test_each_shape_is_counted_apart_and_the_most_urgent_is_launched_first() -> None:
    one = replace(SHAPE, instance_types=(TYPES[0],))
    claims = (a_claim("a"), a_claim("b", shape=one, priority=2), a_claim("c", shape=one))
    assert started(decided(a_view(waiting=claims))) == [(str(one), 2)]


def test_a_shape_without_capacity_does_not_delay_another_shape() -> None:
    one = replace(SHAPE, instance_types=(TYPES[0],))
    claims = (a_claim("a", priority=2), a_claim("b", shape=one))
    ledger = a_ledger(retry_at={str(SHAPE): later(1)})
    assert started(decided(a_view(waiting=claims, ledger=ledger))) == [(str(one), 1)]


def test_the_pool_holds_only_the_standard_shape() -> None:
    one = replace(SHAPE, instance_types=(TYPES[0],))
    pool = a_view(instances=of(S.READY, shape=one))
    assert started(decided(pool, a_config(hot=1))) == [(str(SHAPE), 1)]


def test_a_shape_that_the_stack_cannot_launch_does_not_delay_another_shape() -> None:
    only = infra(templates={"x86_64": TEMPLATES["x86_64"]})
    claims = (a_claim("a", shape=ARM, priority=2), a_claim("b"))
    assert started(decided(a_view(infra=only, waiting=claims))) == [(str(SHAPE), 1)]


def test_a_launch_uses_the_template_of_its_shapes_architecture() -> None:
    (start,) = decided(a_view(waiting=(a_claim(shape=ARM),)))
    assert isinstance(start, RecordLaunch)
    (config,) = json.loads(start.launch.request)["LaunchTemplateConfigs"]
    template = config["LaunchTemplateSpecification"]
    assert template == {"LaunchTemplateId": TEMPLATES["arm64"]["id"], "Version": "4"}


# -- what is recorded ------------------------------------------------------------------------------


def test_a_launch_is_recorded_with_ledger_and_slots_before_it_is_sent() -> None:
    ledger = a_ledger(next_launch=4, live=7, recent=((ago(5), 9), (ago(seconds=9), 2)))
    script = Script("s3://bucket/set-up.sh", minutes=15, version=1)
    (start,) = decided(a_view(waiting=waiting(2), ledger=ledger), a_config(script=script))
    assert isinstance(start, RecordLaunch)
    launch = start.launch
    assert launch.id == launch_id(STACK, ledger)
    assert (launch.state, launch.slots, launch.spec) == (LaunchState.OPEN, 2, SPEC)
    assert (launch.created, launch.market) == (NOW, "on-demand")
    assert start.ledger == replace(
        ledger, next_launch=5, live=9, recent=((ago(seconds=9), 2), (NOW, 2))
    )
    assert [str(slot.key) for slot in start.slots] == [f"{launch.id}/0", f"{launch.id}/1"]
    for slot in start.slots:
        assert (slot.state, slot.instance_id, slot.spec) == (S.REQUESTED, None, SPEC)
        assert slot.pinned == Pinned(BOOTSTRAP, SANDBOX, BOOTSTRAP_ID, SANDBOX_ID, 15)


def test_equal_input_gives_the_same_request_byte_for_byte() -> None:
    first, second = (decided(a_view(waiting=waiting(2))) for _ in range(2))
    assert first == second
    assert isinstance(first[0], RecordLaunch)
    request = json.loads(first[0].launch.request)
    assert request["Type"] == "instant"
    assert request["TargetCapacitySpecification"]["TotalTargetCapacity"] == 2
    overrides = request["LaunchTemplateConfigs"][0]["Overrides"]
    assert [(each["InstanceType"], each["SubnetId"]) for each in overrides] == [
        (kind, subnet) for kind in TYPES for subnet in ("subnet-0a", "subnet-0b")
    ]
    tags = {tag["Key"]: tag["Value"] for tag in request["TagSpecifications"][1]["Tags"]}
    assert tags == {
        "mayfly-stack": STACK,
        "mayfly-queue": QUEUE,
        "mayfly-launch": first[0].launch.id,
    }


@pytest.mark.parametrize(
    ("purchase", "dry_until", "market"),
    [
        ("on-demand", None, "on-demand"),
        ("spot", None, "spot"),
        ("spot", later(1), "spot"),
        ("spot-then-on-demand", None, "spot"),
        ("spot-then-on-demand", later(1), "on-demand"),
        ("spot-then-on-demand", NOW, "spot"),
    ],
)
def test_the_market_follows_the_purchase_option(purchase: str, dry_until: Any, market: str) -> None:
    shape = Shape(QUEUE, "x86_64", TYPES, purchase)
    ledger = a_ledger(spot_dry_until={str(shape): dry_until} if dry_until else {})
    view = a_view(waiting=(a_claim(shape=shape),), ledger=ledger)
    (start,) = decided(view, a_config(purchase=purchase))
    assert isinstance(start, RecordLaunch)
    assert start.launch.market == market
    wanted = json.loads(start.launch.request)["TargetCapacitySpecification"]
    assert wanted["DefaultTargetCapacityType"] == market


BY_SPOT = Shape(QUEUE, "x86_64", TYPES, "spot-then-on-demand")
EVERY = [(kind, subnet) for kind in TYPES for subnet in ("subnet-0a", "subnet-0b")]


def bought(view: ProvisionView, config: QueueConfig) -> tuple[str, list[tuple[str, str]]]:
    """Market and pools of the launch."""
    (start,) = (a for a in decided(view, config) if isinstance(a, RecordLaunch))
    overrides = json.loads(start.launch.request)["LaunchTemplateConfigs"][0]["Overrides"]
    pools = [(each["InstanceType"], each["SubnetId"]) for each in overrides]
    return start.launch.market, pools


@pytest.mark.parametrize(
    ("purchase", "dry", "market", "left_out"),
    [
        ("spot-then-on-demand", EVERY[:1], "spot", EVERY[:1]),
        ("spot-then-on-demand", EVERY[1:], "spot", EVERY[1:]),
        ("spot-then-on-demand", EVERY, "on-demand", []),
        ("spot-first-attempt", EVERY[:3], "spot", EVERY[:3]),
        ("spot", EVERY[:3], "spot", EVERY[:3]),
        ("spot", EVERY, "spot", []),
        ("on-demand", EVERY[:3], "on-demand", []),
    ],
)
def test_pools_of_spot_that_were_dry_lately_are_left_out(
    purchase: str, dry: list[tuple[str, str]], market: str, left_out: list[tuple[str, str]]
) -> None:
    names = {f"{kind}/{subnet}": later(1) for kind, subnet in dry}
    view = a_view(waiting=(a_claim(rules=()),), ledger=a_ledger(dry_pools=names))
    left = [pool for pool in EVERY if pool not in left_out]
    assert bought(view, a_config(purchase=purchase)) == (market, left)


def test_a_dry_pool_is_that_of_all_subnets_of_its_zone_and_only_for_a_while() -> None:
    zones = {"subnet-0a": "zone-1", "subnet-0b": "zone-2", "subnet-0c": "zone-1"}
    names = {f"{TYPES[0]}/subnet-0c": later(1), f"{TYPES[0]}/subnet-0b": NOW}
    view = a_view(waiting=(a_claim(rules=()),), ledger=a_ledger(dry_pools=names), zones=zones)
    assert bought(view, a_config(purchase="spot")) == ("spot", EVERY[1:])


def test_on_demand_the_preferred_type_comes_first_and_the_emptiest_zone() -> None:
    zones = {"subnet-0a": "zone-1", "subnet-0b": "zone-2"}
    ready = of(S.READY, S.BOOTING, zone="zone-1")
    view = a_view(instances=ready, zones=zones)
    _, pools = bought(view, a_config(hot=3))
    assert pools == [(kind, subnet) for kind in TYPES for subnet in ("subnet-0b", "subnet-0a")]


def test_launch_by_launch_another_zone_comes_first_where_zones_are_equally_full() -> None:
    firsts = [
        bought(a_view(ledger=a_ledger(next_launch=number)), a_config(hot=1))[1][0]
        for number in range(4)
    ]
    assert firsts == 2 * EVERY[:2]


# -- open launches and refusal ---------------------------------------------------------------------


def test_an_open_launch_is_sent_again_with_its_slots() -> None:
    slots = of(S.REQUESTED, S.REQUESTED)
    launch = a_launch(2)
    view = a_view(launches=(launch,), slots={LAUNCH: slots}, instances=slots)
    (send,) = decided(view)
    assert isinstance(send, SendLaunch)
    assert (send.launch, send.slots) == (launch, slots)


def test_a_refused_queue_launches_nothing() -> None:
    shared = "sandbox role has policies of its bootstrap role"
    assert decided(a_view(waiting=waiting(3), refused=shared), a_config(hot=2)) == []


def test_an_overdue_open_launch_of_a_refused_queue_is_adopted() -> None:
    young, old = a_launch(), a_launch(created=NOW - REPEAT_LAUNCH - timedelta(seconds=1))
    assert not overdue(young, NOW)
    assert decided(a_view(launches=(young,), refused="shared")) == []
    (adopt,) = decided(a_view(launches=(old,), refused="shared"))
    assert isinstance(adopt, AdoptLaunch)


def test_an_overdue_open_launch_is_adopted_and_not_sent() -> None:
    slots = of(S.REQUESTED)
    old = a_launch(created=NOW - REPEAT_LAUNCH - timedelta(seconds=1))
    (adopt,) = decided(a_view(launches=(old,), slots={LAUNCH: slots}, instances=slots))
    assert isinstance(adopt, AdoptLaunch)
    assert (adopt.launch, adopt.slots) == (old, slots)


def test_idle_instances_of_a_refused_queue_are_condemned() -> None:
    view = a_view(instances=of(S.READY, since=ago(6)), refused="shared")
    (write, _) = decided(view)
    assert isinstance(write, WriteRecords)
    assert saves(write)["Instance"].state is S.CONDEMNED
