"""What more warm instances will cost, as far as prices are known. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from mayfly.config.queue import QueueConfig
from mayfly.records.model import Instance
from mayfly.records.prices import SPOT, Prices
from mayfly_cli.operations.reading import newest_first
from mayfly_cli.past.volumes import MONTH
from mayfly_cli.preflight.quotas import markets

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one instance or volume."""

    usd: Decimal | None
    """None for a price that is not known."""
    per: timedelta
    """The time that the price is for."""
    source: str
    """What the price is of, and where it is from; why there is none."""

    def of(self, number: int, lasting: timedelta) -> Decimal | None:
        """The cost of so many for so long; None for an unknown price."""
        if self.usd is None:
            return None
        share = Decimal(lasting // timedelta(seconds=1)) / (self.per // timedelta(seconds=1))
        return (self.usd * number * share).quantize(Decimal("0.01"))


def hot_price(
    config: QueueConfig,
    instances: Iterable[Instance],
    prices: Prices | None,
    zones: Collection[str],
) -> Price:
    """The price of an instance for the pool: as the newest instance's, else as listed.

    A spot price differs by zone, so the highest one of the queue's zones is taken.
    """
    market, name = markets(config.purchase)[0], config.instance_types[0]
    for each in newest_first(instances):
        if each.price and each.market == market and each.instance_type in config.instance_types:
            kind = f"{each.instance_type} {market}, as {each.instance_id} at its launch"
            return Price(Decimal(each.price), _HOUR, kind)
    known = () if prices is None else (prices.of(name, zone, market) for zone in zones or ("",))
    found = [Decimal(price) for price in known if price]
    source = f"{name} {market}"
    if not found:
        return Price(None, _HOUR, f"provision has read no price of {source} yet")
    listed = "the highest spot price of the queue's zones" if market == SPOT else "list price"
    return Price(max(found), _HOUR, f"{source}, {listed}")


def volume_price(gib: int, prices: Prices | None) -> Price:
    """The price of a stopped instance's volume."""
    a_gib = prices.volume if prices is not None else ""
    if not gib:
        return Price(None, MONTH, "the queue's stack is of a version without its volumes' size")
    if not a_gib:
        return Price(None, MONTH, "provision has read no price of gp3 yet")
    source = f"a volume of {gib} GiB, gp3 at ${a_gib} a GiB and month, list price"
    return Price(Decimal(a_gib) * gib, MONTH, source)
