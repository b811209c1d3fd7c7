"""The dispatch lease: one row that says who may act, and a fence that keeps others out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.errors import Conflict
from mayfly.ports import Fleet
from mayfly.records.changes import Save
from mayfly.records.model import Lease, saved

LEASE = timedelta(seconds=15)
"""How long a lease is good for without renewal."""
RENEW = timedelta(seconds=5)
"""How often its holder renews it."""
LOOK = timedelta(seconds=1)
"""How often its holder sees whether it still has it: two that list share Buildkite's limit."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A lease that we have, and when that was last certain."""

    lease: Lease
    sure_at: datetime
    shared_until: datetime | None = None
    """Until when somebody who had it as we took it may act on: then they have looked."""

    def shared(self, now: datetime) -> bool:
        """Whether the one before may be at work as well."""
        return self.shared_until is not None and now < self.shared_until


def hold(fleet: Fleet, held: Hold | None, holder: str, now: datetime) -> Hold:
    """Take the lease, or keep it: renewed or looked after as is due.

    Raises Conflict when somebody else has it, at most `LOOK` after they took it.
    """
    if held is None:
        return take(fleet, holder, now)
    if due(held.lease, now):
        return replace(held, lease=renew(fleet, held.lease, now), sure_at=now)
    if now - held.sure_at < LOOK:
        return held
    stored = fleet.lease()
    if stored is None or stored.fence != held.lease.fence:
        raise Conflict("another invocation has the lease")
    return replace(held, sure_at=now)


def take(fleet: Fleet, holder: str, now: datetime) -> Hold:
    """Take the lease over, whoever has it: the newest invocation always wins.

    The one before learns of it at its next look, and ends; its writes are refused at once.
    Raises Conflict when another invocation took it in the same moment.
    """
    old = fleet.lease()
    shared_until = now + LOOK if old is not None and old.until > now else None
    while True:
        fence, version = (old.fence, old.version) if old is not None else (0, 0)
        lease = Lease(holder, fence + 1, until=now + LEASE, version=version)
        try:
            fleet.write([Save(lease)])
        except Conflict:
            old = fleet.lease()
            if old is None or old.fence != fence:
                raise
            # The one before has renewed it in between: that must not keep the newest out.
        else:
            return Hold(saved(lease), now, shared_until)


def renew(fleet: Fleet, lease: Lease, now: datetime) -> Lease:
    """Hold the lease for longer. Raises Conflict when somebody has taken it over."""
    longer = replace(lease, until=now + LEASE)
    try:
        fleet.write([Save(longer)], lease.fence)
    except Conflict:
        stored = fleet.lease()
        if stored is None or stored.fence != lease.fence:
            raise
        return stored  # it is ours still: the answer to the last renewal was lost
    return saved(longer)


def due(lease: Lease, now: datetime) -> bool:
    """Whether it is time to renew."""
    return lease.until - now <= LEASE - RENEW
