"""Provision: which idle instances are condemned, and how the hot pool is renewed in small steps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from mayfly.config.queue import QueueConfig
from mayfly.provision.actions import ProvisionAction
from mayfly.provision.decide import decide
from mayfly.provision.retire import OVERDUE
from mayfly.provision.view import ProvisionView
from mayfly.records.changes import Save
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly.tick.actions import NudgeReap, WriteRecords
from tests.unit.builders import (
    NOW,
    SHAPE,
    SPEC,
    TYPES,
    a_claim,
    a_config,
    a_ledger,
    ago,
    an_instance,
    assigned,
    saves,
)
from tests.unit.provision_views import crowded, slots_of

S = InstanceState
OLD, DAY = "spec-old", timedelta(hours=12)


def a_view(
    *instances: Instance, waiting: int = 0, live: int | None = None, **changes: Any
) -> ProvisionView:
    view = crowded(*instances, waiting=waiting, **changes)
    return view if live is None else replace(view, ledger=a_ledger(live=live))


def ready(number: int, minutes: float = 0, spec: str = SPEC, **changes: Any) -> Instance:
    """An instance that has been ready for these minutes."""
    return an_instance(S.READY, number, since=ago(minutes), spec=spec, **changes)


def condemned(actions: list[ProvisionAction]) -> list[int]:
    """Slot numbers of the condemned instances."""
    return [saves(a)["Instance"].key.number for a in actions if isinstance(a, WriteRecords)]


@dataclass(frozen=True)
class Idle:
    story: str
    instances: tuple[Instance, ...]
    condemned: list[int]
    waiting: int = 0
    config: dict[str, Any] = field(default_factory=dict)


NO_GRACE = {"grace": timedelta(0)}
IDLE = [
    Idle("a surplus instance stays for five minutes", (ready(0, 4.9),), []),
    Idle("a surplus instance is condemned after five minutes", (ready(0, 5),), [0]),
    Idle("the grace is a parameter", (ready(0, 2),), [0], config={"grace": timedelta(minutes=2)}),
    Idle("without grace a surplus instance is condemned at once", (ready(0),), [0], 0, NO_GRACE),
    Idle("a job needs an instance also without grace", (ready(0),), [], 1, NO_GRACE),
    Idle("an instance that a waiting job can use stays", (ready(0, 60),), [], 1),
    Idle("an instance that the pool needs stays", (ready(0, 60),), [], config={"hot": 1}),
    Idle(
        "of surplus instances the longest idle are condemned",
        (ready(0, 7), ready(1, 9)),
        [1],
        config={"hot": 1},
    ),
    Idle(
        "a paused queue keeps no idle instance",
        (ready(0, 9), ready(1, 9)),
        [0, 1],
        config={"paused": True},
    ),
    Idle("a paused queue keeps no pool", (ready(0, 9),), [0], config={"paused": True, "hot": 1}),
    Idle(
        "a paused queue keeps an instance for a waiting job",
        (ready(0, 9),),
        [],
        1,
        {"paused": True},
    ),
    Idle("a surplus instance of an old spec is condemned at once", (ready(0, 0, OLD),), [0]),
    Idle("an instance of an old spec stays for a waiting job", (ready(0, 0, OLD),), [], 1),
    Idle("instances of an old spec are condemned first", (ready(0, 9), ready(1, 1, OLD)), [1], 1),
    Idle(
        "an instance idle beyond max-idle is condemned while another fills the pool",
        (ready(0, 721), ready(1, 1)),
        [0],
        config={"hot": 1},
    ),
]


@pytest.mark.parametrize("row", IDLE, ids=lambda row: row.story)
def test_which_idle_instances_are_condemned(row: Idle) -> None:
    view = a_view(*row.instances, waiting=row.waiting)
    assert condemned(decide(view, a_config(**row.config), NOW)) == row.condemned


ON_THE_WAY = [S.LAUNCHING, S.BOOTING, S.BOOTSTRAPPED, S.SWAPPING]


@pytest.mark.parametrize("state", [s for s in S if s not in {S.READY, *ON_THE_WAY}])
def test_only_instances_that_are_idle_or_coming_are_retired(state: InstanceState) -> None:
    one = an_instance(state, since=ago(9999), spec=OLD)
    assert condemned(decide(a_view(one), a_config(), NOW)) == []


# -- instances that are still coming ---------------------------------------------------------------


def coming(
    number: int, seconds: float = 60, state: InstanceState = S.BOOTING, **changes: Any
) -> Instance:
    """An instance that was launched these seconds ago."""
    return an_instance(state, number, created=ago(seconds=seconds), **changes)


@pytest.mark.parametrize("state", ON_THE_WAY)
def test_an_instance_that_no_job_needs_is_retired_before_it_is_ready(state: InstanceState) -> None:
    (write, nudge) = decide(a_view(coming(0, state=state)), a_config(), NOW)
    retired = saves(write)["Instance"]
    assert (retired.state, retired.retired) == (S.CONDEMNED, True)
    assert retired.reason == "neither a job nor pool/hot needs the instance"
    assert isinstance(nudge, NudgeReap)


def test_the_retirement_of_a_boot_counts_as_no_failure() -> None:
    (write, _) = decide(a_view(coming(0)), a_config(), NOW)
    assert isinstance(write, WriteRecords)
    assert [type(change) for change in write.changes] == [Save]


COMING = [
    Idle("the youngest go first", (coming(0, 90), coming(1, 60), coming(2, 30)), [2, 1], 1),
    Idle("what waiting jobs need stays", (coming(0), coming(1)), [], 2),
    Idle("what the pool needs stays", (coming(0), coming(1)), [], 1, {"hot": 1}),
    Idle("ready instances serve first", (coming(0), ready(1)), [0], 1),
    Idle("a launch of this moment stays: the index may lag", (coming(0, 14),), []),
    Idle("a launch of 15 seconds ago goes", (coming(0, 15),), [0]),
    Idle("a paused queue keeps what a waiting job needs", (coming(0),), [], 1, {"paused": True}),
    Idle("a paused queue builds no pool", (coming(0),), [0], config={"paused": True, "hot": 1}),
    Idle(
        "successors of outdated instances stay",
        (ready(0, 0, OLD), ready(1, 0, OLD), coming(2), coming(3)),
        [],
        config={"hot": 2},
    ),
    Idle(
        "a third successor goes",
        (ready(0, 0, OLD), ready(1, 0, OLD), coming(2, 90), coming(3, 90), coming(4)),
        [4],
        config={"hot": 2},
    ),
]


@pytest.mark.parametrize("row", COMING, ids=lambda row: row.story)
def test_which_coming_instances_are_condemned(row: Idle) -> None:
    view = a_view(*row.instances, waiting=row.waiting)
    assert condemned(decide(view, a_config(**row.config), NOW)) == row.condemned


def test_as_many_coming_instances_stay_as_jobs_came_lately() -> None:
    view = a_view(*(coming(n, 90 - n) for n in range(4)), arrived=(assigned("a"), assigned("b")))
    assert condemned(decide(view, a_config(), NOW)) == [3, 2]


def test_a_coming_instance_stays_for_a_waiting_job_that_accepts_its_type_among_others() -> None:
    narrow = replace(SHAPE, instance_types=(TYPES[0],))
    view = a_view(coming(0, shape=narrow), waiting=1)
    assert condemned(decide(view, a_config(), NOW)) == []
    view = replace(a_view(coming(0)), waiting=(a_claim(shape=narrow),))
    assert condemned(decide(view, a_config(), NOW)) == [0]


def test_a_full_queue_keeps_no_spare_instance_while_jobs_of_another_shape_wait() -> None:
    other = replace(SHAPE, instance_types=("m5.large",))
    view = a_view(ready(0, 1), coming(1), arrived=(assigned("a"), assigned("b")))
    full = replace(view, waiting=(a_claim(shape=other),))
    assert condemned(decide(full, a_config(max_instances=3), NOW)) == []
    assert condemned(decide(full, a_config(max_instances=2), NOW)) == [1, 0]


@dataclass(frozen=True)
class Lowered:
    story: str
    instances: tuple[Instance, ...]
    condemned: list[int]
    busy: int = 0
    waiting: int = 9
    live: int = 9
    """More than the view shows where instances are ending, or have a job."""


LOWERED = [
    Lowered("the youngest go", (coming(0, 9), coming(1, 3), coming(2, 8), coming(3, 4)), [1, 3]),
    Lowered("jobs count", (coming(0, 9), coming(1, 3)), [1], busy=1),
    Lowered("jobs beyond the limit are left alone", (coming(0, 9), coming(1, 3)), [1, 0], busy=7),
    Lowered("what is ending makes room by itself", (coming(0), coming(1)), []),
    Lowered("a queue within its limit loses nothing", (coming(0), coming(1)), [], busy=1, live=2),
    Lowered("a ready instance goes to its job", (ready(0), ready(1), coming(2)), [2]),
    Lowered("an idle one without a job goes at once", (ready(0, 1), ready(1, 2)), [1], waiting=1),
    Lowered("what no job needs goes first", (coming(0, 50), coming(1, 60)), [0], 1, waiting=1),
    Lowered(
        "a slot without an instance is the youngest",
        (coming(0), coming(1), coming(2, 1, S.REQUESTED)),
        [],
    ),
]


@pytest.mark.parametrize("row", LOWERED, ids=lambda row: row.story)
def test_which_instances_are_condemned_after_the_limit_was_lowered_to_two(row: Lowered) -> None:
    view = a_view(*row.instances, waiting=row.waiting, live=row.live, busy=row.busy)
    actions = decide(view, a_config(max_instances=2), NOW)
    assert condemned(actions) == row.condemned
    assert slots_of(actions) == 0


def test_an_idle_instance_of_another_shape_is_condemned() -> None:
    other = ready(0, 9, shape=replace(SHAPE, instance_types=(TYPES[0],)))
    assert condemned(decide(a_view(other, ready(1, 9)), a_config(hot=1), NOW)) == [0]


def test_a_retired_instance_keeps_the_reason() -> None:
    *writes, _ = decide(a_view(ready(0, 9), ready(1, 9, OLD)), a_config(), NOW)
    reasons = {saves(w)["Instance"].key.number: saves(w)["Instance"].reason for w in writes}
    assert reasons == {
        0: "neither a job nor pool/hot needs the instance",
        1: "the instance was made by an older configuration",
    }


# -- the pool is renewed a few at a time -----------------------------------------------------------


class Pool:
    """A hot pool that is renewed tick by tick; launched instances are ready by the next tick."""

    def __init__(self, config: QueueConfig, *instances: Instance) -> None:
        self.config, self.instances, self.now = config, list(instances), NOW
        self.closing: list[Instance] = []
        self.made = len(instances)

    def tick(self) -> tuple[int, list[int]]:
        """Launches, and numbers of condemned instances, which are closed by the next tick."""
        live = len(self.instances) + len(self.closing)
        view = a_view(*self.instances, live=live)
        actions = decide(view, self.config, self.now)
        leaving = condemned(actions)
        self.closing = [i for i in self.instances if i.key.number in leaving]
        self.instances = [i for i in self.instances if i.key.number not in leaving]
        for _ in range(slots_of(actions)):
            self.instances.append(ready(self.made, minutes=(NOW - self.now).total_seconds() / 60))
            self.made += 1
        assert len(self.instances) + len(self.closing) <= self.config.max_instances
        self.now += timedelta(minutes=1)
        return slots_of(actions), leaving

    def until_renewed(self) -> list[int]:
        """Ready instances after each tick, until none of the first instances is left."""
        sizes = []
        while any(i.key.number < self.config.hot.default for i in self.instances):
            self.tick()
            sizes.append(len(self.instances))
            assert len(sizes) < 20, "the pool is never renewed"
        return sizes


@pytest.mark.parametrize("spec", [OLD, SPEC], ids=["of an old spec", "idle for too long"])
def test_with_room_successors_are_launched_before_outdated_instances_are_condemned(
    spec: str,
) -> None:
    minutes = 0.0 if spec == OLD else DAY.total_seconds() / 60 + 1
    pool = Pool(a_config(hot=5), *(ready(n, minutes, spec) for n in range(5)))
    assert pool.tick() == (2, [])
    sizes = pool.until_renewed()
    assert min(sizes) == 5
    assert max(sizes) == 7


@pytest.mark.parametrize("hot", [1, 2, 5])
def test_without_room_outdated_instances_are_condemned_two_at_a_time(hot: int) -> None:
    config = a_config(hot=hot, max_instances=hot)
    pool = Pool(config, *(ready(n, 0, OLD) for n in range(hot)))
    launches, leaving = pool.tick()
    assert launches == 0
    assert len(leaving) == min(2, hot)
    assert all(size >= hot - 2 for size in pool.until_renewed())


def test_a_full_pool_below_its_target_condemns_no_outdated_instance() -> None:
    instances = (ready(0, 0, OLD), ready(1, 0, OLD), an_instance(S.BOOTING, 2))
    view = a_view(*instances, live=4)
    assert condemned(decide(view, a_config(hot=4, max_instances=4), NOW)) == []


def test_an_outdated_instance_without_successor_is_condemned_once_overdue() -> None:
    late = DAY + OVERDUE
    still = ready(0, late.total_seconds() / 60)
    over = ready(0, late.total_seconds() / 60 + 1)
    config = a_config(hot=1)
    assert condemned(decide(a_view(still, refused="shared"), config, NOW)) == []
    assert condemned(decide(a_view(over, refused="shared"), config, NOW)) == [0]


def test_no_successor_is_launched_while_enough_are_coming() -> None:
    old = tuple(ready(n, 0, OLD) for n in range(4))
    coming = tuple(an_instance(S.BOOTING, n) for n in (4, 5))
    assert slots_of(decide(a_view(*old, *coming), a_config(hot=4), NOW)) == 0


def test_waiting_jobs_are_counted_besides_successors() -> None:
    old = tuple(ready(n, 0, OLD) for n in range(4))
    assert slots_of(decide(a_view(*old, waiting=1), a_config(hot=4), NOW)) == 3
