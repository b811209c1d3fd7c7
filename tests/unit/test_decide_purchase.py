"""Provision: market, types and zones of launches."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.provision.actions import RecordLaunch
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Shape
from tests.unit.builders import (
    NOW,
    QUEUE,
    TYPES,
    a_claim,
    a_config,
    a_ledger,
    later,
)
from tests.unit.provision_views import S, a_view, decided, of


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
