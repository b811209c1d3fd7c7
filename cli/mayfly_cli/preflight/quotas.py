"""EC2's quotas of vCPUs by family of instance types and by market.

Source: EC2 User Guide, "Amazon EC2 instance type quotas"; the codes are those of Service Quotas.
Only families with a certain code are listed; the quotas of other families are unknown.
"""

from __future__ import annotations

import re

from mayfly.config.queue import SPOT_FIRST_ATTEMPT

ON_DEMAND = "on-demand"
SPOT = "spot"
_CODES = {
    "standard": {ON_DEMAND: "L-1216C47A", SPOT: "L-34B43A08"},
    "g": {ON_DEMAND: "L-DB2E81BA", SPOT: "L-3819A6DF"},
    "p": {ON_DEMAND: "L-417A185B", SPOT: "L-7212CCBC"},
}
_STANDARD = frozenset("acdhimrtz")


def markets(purchase: str) -> tuple[str, ...]:
    """The markets that a value of `launch/purchase` buys in."""
    if purchase == SPOT_FIRST_ATTEMPT:
        return SPOT, ON_DEMAND
    return tuple(market for market in (SPOT, ON_DEMAND) if market in purchase)


def quota_of(instance_type: str, market: str) -> str | None:
    """Code of the quota that an instance counts against; None if the family is not known.

    `dl`, `inf`, `hpc` and others begin with the letter of a standard family but have their own
    quotas: a standard family has one letter before the generation, except `is` and `im` (storage).
    """
    found = re.match(r"([a-z]+)-?[0-9]", instance_type)
    if found is None:
        return None
    family = found[1]
    if family in {"im", "is"} or (len(family) == 1 and family in _STANDARD):
        return _CODES["standard"][market]
    return _CODES.get(family, {}).get(market)
