"""EC2's prices as last read from AWS: USD for an hour of a Linux instance, as decimal text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

SPOT, ON_DEMAND = "spot", "on-demand"


@dataclass(frozen=True, slots=True)
class Prices:
    """The prices of the instance types in use: one row. What has no entry has no known price."""

    tried: datetime
    """When AWS was last asked, with or without an answer."""
    types: tuple[str, ...]
    """The instance types that were asked for, sorted."""
    on_demand: Mapping[str, str] = field(default_factory=dict)
    """List price by instance type, without any discount of the account."""
    on_demand_at: datetime | None = None
    """When the Price List last answered for all of `types`; None when it never did."""
    spot: Mapping[str, str] = field(default_factory=dict)
    """Spot price by `zone/instance type`."""
    spot_at: datetime | None = None
    """When EC2 last answered with spot prices; None when it never did."""
    volume: str = ""
    """List price of a GiB of gp3 storage for a month; empty while it is not known."""
    version: int = 0

    def of(self, instance_type: str, zone: str, market: str) -> str:
        """USD for an hour; empty for a price that is not known."""
        if market == SPOT:
            return self.spot.get(spot_pool(zone, instance_type), "")
        return self.on_demand.get(instance_type, "") if market == ON_DEMAND else ""


def spot_pool(zone: str, instance_type: str) -> str:
    """The name of a spot pool in the record of prices."""
    return f"{zone}/{instance_type}"
