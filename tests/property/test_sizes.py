"""Records stay far below the 400 KB of an item, whatever hosts, EC2 and Buildkite report."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.adapters.dynamodb.attributes import Attribute
from mayfly.adapters.dynamodb.records import to_item
from mayfly.answers import Launched
from mayfly.provision.settlement import ledger_after, settlement_changes
from mayfly.records.bounds import LARGEST_LEDGER, MOST_NOTES, MOST_POOLS, MOST_SHAPES
from mayfly.records.brakes import counted, failed_boot, proven_boot
from mayfly.records.changes import Save
from mayfly.records.ledger import Ledger
from mayfly.records.model import HISTORY, Instance, Shape, SlotKey, move_instance
from mayfly.records.states import InstanceState
from mayfly_fakes import FakeFleet, FakeMailbox
from tests.contract.sample_records import a_launch, a_ledger, an_instance
from tests.unit.builders import NOW

S = InstanceState
MOST_TYPES = 20
LONGEST_TYPE = 40
LONGEST_QUEUE = 100
LARGEST_ITEM = 400 * 1024


def size(item: Any) -> int:
    """Bytes of an item as DynamoDB counts them (developer guide, "Item sizes and formats")."""
    return sum(len(name.encode()) + attribute_size(value) for name, value in item.items())


def attribute_size(attribute: Attribute) -> int:
    ((kind, value),) = attribute.items()
    match kind:
        case "S":
            return len(value.encode())
        case "N":
            return 21
        case "M":
            return 3 + size(value) + len(value)
        case "L":
            return 3 + sum(map(attribute_size, value)) + len(value)
        case _:
            return 1


def a_shape(number: int) -> Shape:
    """A shape with the longest name that a queue's parameters allow."""
    types = tuple(f"m{n + 1}i-{number:0>29}.large"[-LONGEST_TYPE:] for n in range(MOST_TYPES))
    return Shape("q" * LONGEST_QUEUE, "x86_64", types, "spot-then-on-demand")


def a_boot(shape: int, at: datetime, reason: str) -> tuple[Instance, Instance]:
    """An instance before and after its boot failed."""
    before = an_instance(
        shape=a_shape(shape), state=S.BOOTING, instance_id="i-0123456789abcdef0", spec="f" * 16
    )
    return before, move_instance(before, S.CONDEMNED, at, reason)


REASONS = st.sampled_from(["lost", "x" * 5000, "ü" * 5000, "𝄞" * 5000])
EVENTS = st.tuples(
    st.sampled_from(["fail", "fail", "fail", "proven", "count", "no capacity", "some"]),
    st.integers(0, 300),
    REASONS,
)


@given(events=st.lists(EVENTS, max_size=40), repeats=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_a_ledger_stays_below_its_limit_whatever_is_reported(
    events: list[tuple[str, int, str]], repeats: int
) -> None:
    fleet, at = FakeFleet(FakeMailbox()), NOW
    recent = tuple((NOW, 1) for _ in range(1000))
    fleet.write([Save(a_ledger(queue="q" * LONGEST_QUEUE, recent=recent))])
    for round_ in range(repeats):
        for what, number, reason in events:
            at += timedelta(seconds=1)
            ledger = fleet.ledger("q" * LONGEST_QUEUE)
            assert ledger is not None
            apply(fleet, ledger, what, number + 7 * round_, reason, at)
    ledger = fleet.ledger("q" * LONGEST_QUEUE)
    assert ledger is not None
    assert len(ledger.boots) <= MOST_NOTES
    assert size(to_item(ledger)) < LARGEST_LEDGER


def apply(
    fleet: FakeFleet, ledger: Ledger, what: str, number: int, reason: str, at: datetime
) -> None:
    match what:
        case "fail":
            failed = failed_boot(*a_boot(number, at, reason))
            fleet.write([replace(note, queue=ledger.queue) for note in failed])
        case "proven":
            before, _ = a_boot(number, at, reason)
            proven = proven_boot(before, ledger)
            fleet.write([replace(note, queue=ledger.queue) for note in proven])
        case "count":
            fleet.write([Save(counted(ledger, at))])
        case _:
            launch = a_launch(shape=a_shape(number), market="spot", slots=3)
            answer = Launched(("i-1",) if what == "some" else (), (reason,), dry=some_pools(number))
            fleet.write([Save(ledger_after(ledger, launch, answer, at))])


def some_pools(number: int) -> frozenset[str]:
    """Pools of the longest names, others for each number."""
    return frozenset(f"{'t' * 34}{number:06}/subnet-{n:017x}" for n in range(6))


def test_a_ledger_that_holds_all_it_may_stays_below_its_limit() -> None:
    """The worst case, which random reports do not reach."""
    boots = [failed_boot(*a_boot(number, NOW, "𝄞" * 5000))[0].boot for number in range(MOST_NOTES)]
    full = a_ledger(boots=tuple(boots), recent=tuple((NOW, 1) for _ in range(1000)))
    for number in range(MOST_SHAPES + 5):
        for market in ("spot", "on-demand"):
            launch = a_launch(shape=a_shape(number), market=market, slots=3)
            full = ledger_after(full, launch, Launched((), dry=some_pools(number)), NOW)
    full = replace(full, brakes=counted(full, NOW).brakes)
    assert (len(full.boots), len(full.brakes)) == (MOST_NOTES, MOST_SHAPES)
    assert {len(full.misses), len(full.retry_at), len(full.spot_dry_until)} == {MOST_SHAPES}
    assert len(full.dry_pools) == MOST_POOLS
    assert LARGEST_LEDGER // 2 < size(to_item(full)) < LARGEST_LEDGER


def test_an_instance_and_a_launch_keep_reasons_of_any_length_within_an_item() -> None:
    instance = an_instance()
    for _ in range(HISTORY + 1):
        booting = replace(instance, state=S.BOOTING)
        instance = move_instance(booting, S.CONDEMNED, NOW, "𝄞" * 200_000)
    assert len(instance.history) == HISTORY
    assert size(to_item(instance)) < LARGEST_ITEM // 4
    slots = [an_instance(number) for number in range(40)]
    answer = Launched((), tuple("𝄞" * 200_000 for _ in range(50)))
    saves = settlement_changes(a_launch(slots=40), slots, answer, NOW)
    items = [to_item(each.record) for each in saves if isinstance(each, Save)]
    assert len(items) == 1 + 40
    assert max(map(size, items)) < LARGEST_ITEM // 4
    assert sum(map(size, items)) < 4 * 1024 * 1024
    assert SlotKey("l1", 0) in {each.key for each in slots}
