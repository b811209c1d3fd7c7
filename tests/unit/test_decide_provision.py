"""Provision: number, shape and market of launches, and the reasons for no launch."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from mayfly.config.queue import Script
from mayfly.provision.actions import AdoptLaunch, RecordLaunch, SendLaunch
from mayfly.provision.settlement import overdue
from mayfly.provision.shares import LAUNCH_AT_ONCE
from mayfly.provision.unlisted import STOPPED, SUPPLY
from mayfly.records.ledger import Ledger, launch_id
from mayfly.records.model import Claim, Instance, Pinned
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
    later,
    saves,
)
from tests.unit.provision_views import S, a_view, decided, launched, of, started, waiting
from tests.unit.published import TEMPLATES, infra

ARM = replace(SHAPE, architecture="arm64")


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
