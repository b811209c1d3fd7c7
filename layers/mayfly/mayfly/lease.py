"""The dispatch lease: one row that says who may act, and a fence that keeps others out."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.model import Lease, saved
from mayfly.ports import Fleet, Save

LEASE = timedelta(seconds=15)
"""How long a lease is good for without renewal."""
RENEW = timedelta(seconds=5)
"""How often its holder renews it."""


def take(fleet: Fleet, holder: str, now: datetime) -> Lease:
    """Take the lease over, whoever has it: the newest invocation always wins.

    The one before learns of it at its next write or renewal, and ends. Raises Conflict when
    another invocation took it in the same moment.
    """
    old = fleet.lease()
    lease = Lease(
        holder=holder,
        fence=old.fence + 1 if old is not None else 1,
        until=now + LEASE,
        version=old.version if old is not None else 0,
    )
    fleet.write([Save(lease)])
    return saved(lease)


def renew(fleet: Fleet, lease: Lease, now: datetime) -> Lease:
    """Hold the lease for longer. Raises Conflict when somebody has taken it over."""
    longer = replace(lease, until=now + LEASE)
    fleet.write([Save(longer)], lease.fence)
    return saved(longer)


def due(lease: Lease, now: datetime) -> bool:
    """Whether it is time to renew."""
    return lease.until - now <= LEASE - RENEW
