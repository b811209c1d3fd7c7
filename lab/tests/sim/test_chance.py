"""What happens by chance follows from the seed alone."""

from __future__ import annotations

from statistics import mean

import pytest

from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.faults import FAULTS, rates

NAMES = [f"call {number}" for number in range(4000)]


def test_equal_seeds_and_names_give_equal_draws_in_any_order() -> None:
    one, other = Chance(7, {}), Chance(7, {})
    assert [one.draw(n) for n in NAMES[:50]] == [other.draw(n) for n in NAMES[49::-1]][::-1]
    assert one.draw("a") != Chance(8, {}).draw("a") != one.draw("b")


def test_draws_are_spread_evenly() -> None:
    drawn = [Chance(1, {}).draw(name) for name in NAMES]
    assert 0 <= min(drawn) < 0.01
    assert 0.99 < max(drawn) < 1
    assert mean(drawn) == pytest.approx(0.5, abs=0.02)


def test_eight_draws_at_once_are_spread_evenly_and_differ() -> None:
    drawn = [Chance(1, {}).draws(name) for name in NAMES[:1000]]
    for numbers in zip(*drawn, strict=True):
        assert mean(numbers) == pytest.approx(0.5, abs=0.04)
    assert all(len(set(each)) == 8 for each in drawn)


def test_whole_numbers_reach_both_ends() -> None:
    chance = Chance(1, {})
    assert {chance.number(2, 4, name) for name in NAMES[:200]} == {2, 3, 4}
    assert {chance.one_of("ab", name) for name in NAMES[:200]} == {"a", "b"}


@pytest.mark.parametrize("rate", [0.0, 0.05, 1.0])
def test_a_fault_happens_at_its_rate(rate: float) -> None:
    chance = Chance(3, {"cut": rate})
    happened = sum(chance.happens("cut", name) for name in NAMES)
    assert happened == pytest.approx(rate * len(NAMES), rel=0.2)
    assert len(chance.happened) == happened


def test_an_event_that_is_left_out_changes_no_other() -> None:
    whole = Chance(3, {"cut": 0.2})
    before = [name for name in NAMES[:200] if whole.happens("cut", name)]
    kept = list(whole.happened)[1:]
    shorter = Chance(3, {"cut": 0.2}, kept)
    assert [n for n in NAMES[:200] if shorter.happens("cut", n)] == before[1:]
    assert list(shorter.happened) == kept


def test_no_fault_happens_in_the_calm() -> None:
    chance = Chance(3, {"cut": 1.0})
    chance.is_calm = True
    assert not chance.happens("cut", "a")


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        (("rain", 0.1), "'rain' is no fault: allowed are throttle, "),
        (("cut", 1.5), "the rate of cut is from 0 to 1, not 1.5"),
        (("cut", float("nan")), "the rate of cut is from 0 to 1, not nan"),
    ],
)
def test_an_unknown_fault_and_a_rate_that_is_none_are_refused(
    chosen: tuple[str, float], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        rates([chosen])


def test_chosen_rates_replace_the_usual_ones_and_may_stand_alone() -> None:
    usual, alone = rates([("cut", 0.5)]), rates([("cut", 0.5)], only=True)
    assert usual["cut"] == alone["cut"] == 0.5
    assert usual["throttle"] == FAULTS["throttle"].rate > alone["throttle"] == 0
