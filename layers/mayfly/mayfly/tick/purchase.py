"""What an instance's record keeps of its purchase: type, zone, market, and prices. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mayfly.answers import Bought
from mayfly.records.model import Instance
from mayfly.records.prices import Prices


@dataclass(frozen=True, slots=True)
class Known:
    """What is known besides EC2's answer about an instance."""

    zones: Mapping[str, str] = field(default_factory=dict)
    """Availability zones by subnet id."""
    prices: Prices | None = None


NOTHING_KNOWN = Known()


def purchased(instance: Instance, bought: Bought, known: Known = NOTHING_KNOWN) -> Instance:
    """A launched instance with what EC2 told of its purchase, and with the price at that time.

    What EC2 did not tell, and a price that is not known, stays as it is.
    """
    instance = _told(instance, bought, known.zones)
    return replace(instance, price=instance.price or _price(instance, known.prices))


def ended(instance: Instance, bought: Bought, prices: Prices | None) -> Instance:
    """An ended instance with what was not known of its purchase before, and the price at its end.

    The price at the launch stays unknown: a price of today is none of then.
    """
    instance = _told(instance, bought, {})
    return replace(instance, end_price=_price(instance, prices))


def _told(instance: Instance, bought: Bought, zones: Mapping[str, str]) -> Instance:
    return replace(
        instance,
        instance_type=bought.instance_type or instance.instance_type,
        zone=bought.zone or zones.get(bought.subnet, "") or instance.zone,
        market=bought.market or instance.market,
    )


def _price(instance: Instance, prices: Prices | None) -> str:
    """USD for an hour of the instance by these prices; empty for an unknown price."""
    if prices is None:
        return ""
    return prices.of(instance.instance_type, instance.zone, instance.market)
