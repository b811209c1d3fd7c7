"""The dispatch lease: one row names the invocation that may act, a fence refuses all others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mayfly.errors import Conflict
from mayfly.ports import Fleet
from mayfly.records.changes import Save
from mayfly.records.model import Heard, Lease, saved

LEASE = timedelta(seconds=15)
"""How long a lease lasts without renewal."""
RENEW = timedelta(seconds=5)
"""How often the holder renews the lease."""
CHECK = timedelta(seconds=1)
"""How often the holder checks the lease: two listing invocations share Buildkite's rate limit."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A lease held by this invocation."""

    lease: Lease
    confirmed_at: datetime
    """When the lease was last read or written as this invocation's."""
    overlap_until: datetime | None = None
    """Until when the former holder may still act: its next check of the lease. None: not at all."""

    def hears(self, heard: Heard) -> Hold:
        """The hold with what Buildkite last said, which the next renewal writes."""
        return replace(self, lease=replace(self.lease, buildkite=heard))

    @property
    def handed_over(self) -> datetime | None:
        """When a live holder lost the lease to this invocation; None where none did."""
        return self.overlap_until - CHECK if self.overlap_until is not None else None

    def overlaps(self, now: datetime) -> bool:
        """Whether the former holder may still act."""
        return self.overlap_until is not None and now < self.overlap_until


def hold(fleet: Fleet, held: Hold | None, holder: str, now: datetime) -> Hold:
    """Take the lease, or keep the lease by a renewal or a check when due. Returns the hold.

    Raises Conflict when another invocation has taken the lease, at most `CHECK` after that.
    """
    if held is None:
        return take(fleet, holder, now)
    if due(held.lease, now):
        return replace(held, lease=renew(fleet, held.lease, now), confirmed_at=now)
    if now - held.confirmed_at < CHECK:
        return held
    stored = fleet.lease()
    if stored is None or stored.fence != held.lease.fence:
        raise Conflict("another invocation has the lease")
    return replace(held, confirmed_at=now)


def take(fleet: Fleet, holder: str, now: datetime) -> Hold:
    """Take the lease over from any holder: the newest invocation always wins.

    The former holder's writes are refused at once; the former holder ends at its next check.
    Raises Conflict when another invocation takes the lease at the same moment.
    """
    old = fleet.lease()
    overlap_until = now + CHECK if old is not None and old.until > now else None
    while True:
        fence, version = (old.fence, old.version) if old is not None else (0, 0)
        heard = old.buildkite if old is not None else Heard()
        lease = Lease(holder, fence + 1, until=now + LEASE, buildkite=heard, version=version)
        try:
            fleet.write([Save(lease)])
        except Conflict:
            old = fleet.lease()
            if old is None or old.fence != fence:
                raise
            # A renewal by the former holder came in between: it must not keep the newest out.
        else:
            return Hold(saved(lease), now, overlap_until)


def renew(fleet: Fleet, lease: Lease, now: datetime) -> Lease:
    """Extend the lease. Returns it; raises Conflict when another invocation has taken it."""
    longer = replace(lease, until=now + LEASE)
    try:
        fleet.write([Save(longer)], lease.fence)
    except Conflict:
        stored = fleet.lease()
        if stored is None or stored.fence != lease.fence:
            raise
        return stored  # the fence is still ours: the answer to the last renewal was lost
    return saved(longer)


def due(lease: Lease, now: datetime) -> bool:
    """Whether the lease is to be renewed."""
    return lease.until - now <= LEASE - RENEW
