"""Market and pools of a launch: spot from the pools that have not been dry lately, or on demand.

A price limit is not set. Spot never costs more than on demand. `MaxTotalPrice` and the overrides'
`MaxPrice` are bids: EC2's reference of CreateFleet advises against both, for they bring more
interruptions. `SpotMaxPricePercentageOverLowestPrice` and
`MaxSpotPriceAsPercentageOfOptimalOnDemandPrice` are parts of `InstanceRequirements`, which exclude
`InstanceType` and with it an order of preference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from mayfly.config.infra import Infra
from mayfly.config.queue import SPOT_FIRST_ATTEMPT, QueueConfig
from mayfly.config.shapes import ON_DEMAND_ONLY
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import Ledger
from mayfly.records.model import Shape

Pool: TypeAlias = tuple[str, str]
"""Instance type and subnet. EC2's capacity is that of the type in the subnet's zone."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Where a launch is to be bought."""

    market: str
    """`spot` or `on-demand`."""
    pools: tuple[Pool, ...]
    """By type in order of preference, and for each type by subnet, the emptiest zone first."""


def purchase(
    view: ProvisionView, config: QueueConfig, shape: Shape, infra: Infra, now: datetime
) -> Purchase:
    """The market and the pools of a launch over the subnets of `infra`, one of each zone.

    Pools of spot that were dry lately are left out. Where all are, the queue buys on demand if it
    may, and asks all of them again if not.
    """
    subnets = _emptiest_first(view, infra)
    every = tuple((name, subnet) for name in shape.instance_types for subnet in subnets)
    if not may_be_spot(config, shape):
        return Purchase("on-demand", every)
    dry = dry_pools(view.ledger, view.zones, now)
    left = tuple(pool for pool in every if (pool[0], zone_of(view.zones, pool[1])) not in dry)
    dry_until = view.ledger.spot_dry_until.get(str(shape))
    is_dry = not left or (dry_until is not None and now < dry_until)
    if is_dry and may_be_on_demand(config):
        return Purchase("on-demand", every)
    return Purchase("spot", left or every)


def dry_pools(ledger: Ledger, zones: Mapping[str, str], now: datetime) -> frozenset[Pool]:
    """Pairs of type and zone for which EC2 had no spot capacity lately."""
    names = (pool.split("/", 1) for pool, until in ledger.dry_pools.items() if now < until)
    return frozenset((kind, zone_of(zones, subnet)) for kind, subnet in names)


def _emptiest_first(view: ProvisionView, infra: Infra) -> list[str]:
    """The subnets, those of zones with the fewest coming and ready instances first.

    Launch by launch another zone comes first where they have equally many, or where the zones of
    instances are not known.
    """
    held = [instance.zone for instance in view.instances]
    first = view.ledger.next_launch % len(infra.subnets)
    turned = (*infra.subnets[first:], *infra.subnets[:first])
    return sorted(turned, key=lambda subnet: held.count(zone_of(view.zones, subnet)))


def zone_of(zones: Mapping[str, str], subnet: str) -> str:
    """The subnet's availability zone; the subnet's id while that is unknown."""
    return zones.get(subnet, subnet)


def may_be_spot(config: QueueConfig, shape: Shape) -> bool:
    """Whether instances of the shape may be bought on spot."""
    return config.purchase != "on-demand" and shape.purchase != ON_DEMAND_ONLY


def may_be_on_demand(config: QueueConfig) -> bool:
    """Whether a queue that buys on spot buys on demand while spot is dry."""
    return config.purchase in {"spot-then-on-demand", SPOT_FIRST_ATTEMPT}
