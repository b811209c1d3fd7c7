"""How long a boot may take, by configuration and instance type; and the words of a brake."""

from __future__ import annotations

import pytest

from mayfly.config.boots import boot_minutes, braked
from mayfly.config.troubles import trouble
from mayfly.records.bounds import LONGEST_CAUSE, MOST_NOTES
from mayfly.records.brakes import COUNT_AT_ONCE, ROUNDS, counted, failed_boot, fewer_notes, set_up
from mayfly.records.ledger import Boot, Ledger
from mayfly.records.model import Shape, move_instance
from mayfly.records.states import InstanceState, Supply
from mayfly.records.why import Code
from tests.unit.builders import NOW, QUEUE, SHAPE, SPEC, a_config, a_ledger, ago, an_instance, later
from tests.unit.world import wanting

S = InstanceState


@pytest.mark.parametrize(
    ("written", "types", "minutes"),
    [
        (None, ("m7i.large",), 5),
        (None, ("m7i.metal-24xl",), 20),
        (None, ("m7i.large", "c5.metal"), 20),
        (9, ("m7i.large",), 9),
        (9, ("c5.metal",), 9),
    ],
)
def test_the_time_for_a_boot_is_the_written_one_or_that_of_the_types(
    written: int | None, types: tuple[str, ...], minutes: int
) -> None:
    shape = Shape(QUEUE, "x86_64", types, "on-demand")
    assert boot_minutes(a_config(boot_minutes=written), shape) == minutes


def test_an_instance_keeps_the_time_that_held_when_it_was_launched() -> None:
    world = wanting("job-1", **{"launch/boot-minutes": "15"})
    world.provision()
    world.machines.settle()
    world.configure(**{"launch/boot-minutes": "2"})
    world.provision()
    for _ in range(14):
        world.after(1).dispatch()
    world.reap()
    assert world.instance().state is S.LAUNCHING
    world.after(1, seconds=1).reap()
    assert world.instance().state is S.CONDEMNED
    reason = "the instance was launching for longer than 15 minutes (launch/boot-minutes)"
    assert world.instance().reason == reason


def a_failure(number: int = 0) -> Boot:
    at = ago(seconds=60 - number)
    return Boot(str(SHAPE), set_up(SPEC, 5), ago(5), at, f"instance i-{number}: no such package")


FAILED = a_ledger(boots=tuple(a_failure(number) for number in range(3)))


@pytest.mark.parametrize("ledger", [FAILED, counted(FAILED, NOW)], ids=["noted", "counted"])
def test_the_words_of_a_brake_name_number_last_instance_and_next_trial(ledger: Ledger) -> None:
    text = "3 boots in a row failed, the last one of instance i-2: no such package"
    found = trouble(SHAPE, ledger, SPEC, a_config(), NOW)
    assert found is not None
    assert found.text == f"no instance of queue {QUEUE} gets ready: {text}"
    assert (found.code, found.subject) == (Code.BRAKED, str(SHAPE))
    assert found.next_try is not None
    assert f"{found.next_try:%H:%M:%S}" == "09:00:02"
    assert list(braked(ledger, SPEC, a_config())) == [SHAPE]


def test_nothing_is_said_of_a_brake_before_it_is_on_or_after_a_change() -> None:
    two = a_ledger(boots=FAILED.boots[:2])
    again = trouble(SHAPE, two, SPEC, a_config(), NOW)
    assert again is not None
    assert (again.code, again.next_try) == (Code.BOOT_FAILED, None)
    assert trouble(SHAPE, FAILED, "another spec", a_config(), NOW) is None
    assert not list(braked(FAILED, SPEC, a_config(instance_types=("m5.large",))))


ENDS = [
    (state, end)
    for state in S
    if state.traits.supply is Supply.COMING
    for end in (S.CONDEMNED, S.TERMINATED)
    if end in state.traits.edges
]


@pytest.mark.parametrize(("state", "end"), ENDS)
def test_a_boot_ends_once_and_only_where_there_was_one(
    state: InstanceState, end: InstanceState
) -> None:
    before = an_instance(state)
    after = move_instance(before, end, NOW, "lost")
    assert len(failed_boot(before, after)) == (0 if state is S.REQUESTED else 1)
    if end is S.CONDEMNED:
        assert not failed_boot(after, move_instance(after, S.TERMINATED, NOW, "gone"))


def test_the_end_of_an_instance_that_was_ready_says_nothing_of_its_boot() -> None:
    ready = an_instance(S.READY, since=NOW)
    assert not failed_boot(ready, move_instance(ready, S.CONDEMNED, later(10), "it was stopped"))
    (note,) = failed_boot(ready, move_instance(ready, S.CONDEMNED, later(9), "it was stopped"))
    after = counted(a_ledger(boots=(note.boot,)), later(10))
    assert after.brakes == {}
    assert set(after.idle_ends) == {str(ready.shape)}


def test_a_long_cause_is_cut() -> None:
    before = an_instance(S.BOOTING)
    (note,) = failed_boot(before, move_instance(before, S.CONDEMNED, NOW, "x" * 5000))
    assert len(note.boot.cause.encode()) == LONGEST_CAUSE
    assert note.boot.cause.endswith("…")


def test_a_save_counts_no_more_notes_than_an_update_can_remove() -> None:
    ledger = a_ledger(boots=tuple(a_failure(n % 50) for n in range(COUNT_AT_ONCE + 20)))
    once = counted(ledger, NOW)
    assert (once.counted, len(once.boots)) == (COUNT_AT_ONCE, 20)
    assert once.brakes[str(SHAPE)].failures == COUNT_AT_ONCE


def test_only_so_many_rounds_are_kept_as_a_job_may_have_attempts() -> None:
    boots = tuple(
        Boot(str(SHAPE), set_up(SPEC, 5), later(2 * n), later(2 * n + 1), "lost") for n in range(30)
    )
    (brake,) = counted(a_ledger(boots=boots), later(61)).brakes.values()
    assert (brake.failures, len(brake.rounds)) == (30, ROUNDS)


def a_note(shape: str, minute: int, cause: str, spec: str = SPEC) -> Boot:
    launched = ago(60 if spec == SPEC else 59)
    return Boot(shape, set_up(spec, 5), launched, ago(60 - minute), cause)


@pytest.mark.parametrize(
    "notes",
    [
        [a_note("a", n, f"lost {n}") for n in range(5)],
        [a_note("a" if n % 2 else "b", n, f"lost {n}") for n in range(9)],
        [a_note("a", 1, "lost"), a_note("a", 2, ""), a_note("a", 3, "again"), a_note("a", 4, "")],
        [a_note("a", 1, ""), a_note("a", 2, "lost"), a_note("b", 3, "lost"), a_note("a", 4, "so")],
        [a_note("a", 1, "lost"), a_note("a", 2, "lost", "spec-2"), a_note("a", 3, "lost")],
    ],
    ids=["one shape", "two shapes", "proven last", "proven first", "two set-ups"],
)
def test_merged_notes_count_into_the_same_brakes(notes: list[Boot]) -> None:
    less = fewer_notes(notes)
    assert len(less) < len(notes)
    brakes, expected = (counted(a_ledger(boots=tuple(n)), NOW).brakes for n in (less, notes))
    assert {shape: (b.failures, b.cause, b.set_up) for shape, b in brakes.items()} == {
        shape: (b.failures, b.cause, b.set_up) for shape, b in expected.items()
    }
    assert {shape: b.next_trial is None for shape, b in brakes.items()} == {
        shape: b.next_trial is None for shape, b in expected.items()
    }


def test_notes_of_very_many_shapes_become_fewer_all_the_same() -> None:
    less = fewer_notes([a_note(f"shape {n}", 1, "lost") for n in range(MOST_NOTES)])
    assert [note.shape for note in less] == [f"shape {n}" for n in range(50, 100)]
