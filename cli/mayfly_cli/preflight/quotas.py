"""EC2's quotas of vCPUs by family of instance types and by market.

Source: EC2 User Guide, "Amazon EC2 instance type quotas"; the codes as Service Quotas lists them.
Only the families whose codes are certain; the rest is unknown.
"""

from __future__ import annotations

import re

ON_DEMAND = "on-demand"
SPOT = "spot"
_CODES = {
    "standard": {ON_DEMAND: "L-1216C47A", SPOT: "L-34B43A08"},
    "g": {ON_DEMAND: "L-DB2E81BA", SPOT: "L-3819A6DF"},
    "p": {ON_DEMAND: "L-417A185B", SPOT: "L-7212CCBC"},
}
_STANDARD = frozenset("acdhimrtz")


def markets(purchase: str) -> tuple[str, ...]:
    """The markets of `launch/purchase`."""
    return tuple(market for market in (SPOT, ON_DEMAND) if market in purchase)


def quota_of(instance_type: str, market: str) -> str | None:
    """The code of the quota that an instance counts against; None for a family that is not known.

    `dl`, `inf`, `hpc` and others begin with a standard family's letter and have quotas of their
    own: only one letter before the generation is standard, but `is`/`im` for storage.
    """
    found = re.match(r"([a-z]+)-?[0-9]", instance_type)
    if found is None:
        return None
    family = found[1]
    if family in {"im", "is"} or (len(family) == 1 and family in _STANDARD):
        return _CODES["standard"][market]
    return _CODES.get(family, {}).get(market)
