"""The dispatch lease: the newest invocation takes it, the fence stops writes of former holders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from mayfly.dispatch import lease as leases
from mayfly.dispatch.lease import LEASE, RENEW
from mayfly.errors import Conflict, Transient
from mayfly.records.changes import Change, Save
from mayfly.records.model import Heard, Lease
from mayfly_fakes import FakeFleet, FakeMailbox
from tests.unit.builders import NOW, a_claim, later


@pytest.fixture
def fleet() -> FakeFleet:
    return FakeFleet(FakeMailbox())


def test_the_first_lease_has_fence_one(fleet: FakeFleet) -> None:
    lease = leases.take(fleet, "one", NOW).lease
    assert lease == Lease("one", fence=1, until=NOW + LEASE, version=1)
    assert fleet.lease() == lease


def test_a_newer_invocation_takes_the_lease_with_a_higher_fence(fleet: FakeFleet) -> None:
    first = leases.take(fleet, "one", NOW).lease
    second = leases.take(fleet, "two", later(seconds=1)).lease
    assert (second.holder, second.fence) == ("two", first.fence + 1)


def test_a_write_with_the_former_fence_is_a_conflict(fleet: FakeFleet) -> None:
    first = leases.take(fleet, "one", NOW).lease
    fleet.write([Save(a_claim("job-1", version=0))], first.fence)
    leases.take(fleet, "two", NOW)
    with pytest.raises(Conflict):
        fleet.write([Save(a_claim("job-2", version=0))], first.fence)
    assert fleet.claim("job-2") is None


def test_renewing_a_lease_that_was_taken_over_is_a_conflict(fleet: FakeFleet) -> None:
    first = leases.take(fleet, "one", NOW).lease
    leases.take(fleet, "two", NOW)
    with pytest.raises(Conflict):
        leases.renew(fleet, first, later(seconds=5))


def test_a_renewal_keeps_holder_and_fence(fleet: FakeFleet) -> None:
    first = leases.take(fleet, "one", NOW).lease
    longer = leases.renew(fleet, first, later(seconds=5))
    assert longer == replace(first, until=later(seconds=5) + LEASE, version=2)
    assert leases.renew(fleet, longer, later(seconds=10)).version == 3


def test_a_lease_is_due_for_renewal_in_time_for_two_lost_renewals(fleet: FakeFleet) -> None:
    lease = leases.take(fleet, "one", NOW).lease
    assert not leases.due(lease, NOW + RENEW / 2)
    assert leases.due(lease, NOW + RENEW)
    assert RENEW * 3 <= LEASE


def test_a_lease_can_be_renewed_after_a_lost_answer(fleet: FakeFleet) -> None:
    lease = leases.take(fleet, "one", NOW).lease
    fleet.fail_next("write", Transient("no answer"), done=True)
    with pytest.raises(Transient):
        leases.renew(fleet, lease, later(seconds=5))
    again = leases.renew(fleet, lease, later(seconds=6))
    assert (again.holder, again.fence, again.version) == ("one", 1, 2)
    assert leases.renew(fleet, again, later(seconds=11)).version == 3


class Racing(FakeFleet):
    """A fleet in which another invocation writes a lease of `others` just before each write."""

    def __init__(self, *others: Lease) -> None:
        super().__init__(FakeMailbox())
        self.others = list(others)

    def write(self, changes: Sequence[Change], fence: int | None = None) -> None:
        if self.others:
            super().write([Save(self.others.pop(0))])
        super().write(changes, fence)


def test_of_two_invocations_that_take_the_lease_at_once_one_gets_a_conflict(
    fleet: FakeFleet,
) -> None:
    racing = Racing(Lease("other", 1, later(seconds=15)))
    with pytest.raises(Conflict):
        leases.take(racing, "me", NOW)
    assert racing.lease() == Lease("other", 1, later(seconds=15), version=1)


def test_renewals_of_the_former_holder_do_not_keep_out_the_newest() -> None:
    held = Lease("old", 7, NOW, version=1)
    racing = Racing()
    racing.write([Save(replace(held, version=0))])
    racing.others = [held, replace(held, version=2)]
    lease = leases.take(racing, "new", NOW).lease
    assert (lease.holder, lease.fence, lease.version) == ("new", 8, 4)


def test_a_holder_checks_its_lease_once_a_second(fleet: FakeFleet) -> None:
    held = leases.hold(fleet, None, "one", NOW)
    assert leases.hold(fleet, held, "one", later(seconds=0.5)) == held
    sure = leases.hold(fleet, held, "one", later(seconds=1))
    assert (sure.lease, sure.confirmed_at) == (held.lease, later(seconds=1))
    assert leases.hold(fleet, sure, "one", later(seconds=5)).lease.version == 2  # renewed


def test_a_holder_notices_within_a_second_that_its_lease_was_taken_over(fleet: FakeFleet) -> None:
    held = leases.hold(fleet, None, "one", NOW)
    leases.take(fleet, "two", later(seconds=0.25))
    assert leases.hold(fleet, held, "one", later(seconds=0.75)) == held
    with pytest.raises(Conflict):
        leases.hold(fleet, held, "one", later(seconds=1))


def test_what_buildkite_said_is_written_with_the_next_renewal_and_outlives_a_take_over(
    fleet: FakeFleet,
) -> None:
    heard = Heard(NOW, NOW, "401: no such token")
    held = leases.take(fleet, "one", NOW).hears(heard)
    stored = fleet.lease()
    assert stored is not None
    assert stored.buildkite == Heard()
    leases.renew(fleet, held.lease, later(seconds=5))
    assert leases.take(fleet, "two", later(seconds=60)).lease.buildkite == heard
