"""Calls side by side: values, failures, and calls that hang or never begin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from threading import Event, Lock
from threading import enumerate as threads

import pytest

from mayfly.errors import Misconfigured, Transient
from mayfly.tick.edge import Edge
from mayfly.tick.side_by_side import Calls, side_by_side
from tests.unit.builders import NOW


@pytest.fixture
def hangs() -> Iterator[Callable[[], str]]:
    """A call that does not end before the test does."""
    end = Event()
    yield lambda: str(end.wait(60))
    end.set()


def fails() -> str:
    raise Misconfigured("not allowed")


def test_each_call_gives_its_value_or_its_failure() -> None:
    answers = side_by_side({"a": lambda: "A", "b": fails}, at_once=2, seconds=9)
    assert answers["a"] == "A"
    assert str(answers["b"]) == "not allowed"
    assert isinstance(answers["b"], Misconfigured)


def test_a_call_that_hangs_is_a_transient_failure_and_hides_no_other_value(
    hangs: Callable[[], str],
) -> None:
    answers = side_by_side({"a": hangs, "b": lambda: "B"}, at_once=2, seconds=0.2)
    assert isinstance(answers["a"], Transient)
    assert answers["b"] == "B"


def test_a_call_for_which_no_time_is_left_is_not_begun_even_later() -> None:
    begun, end, before = Event(), Event(), set(threads())

    def begin() -> str:
        begun.set()
        return "B"

    answers = side_by_side({"a": lambda: str(end.wait(60)), "b": begin}, at_once=1, seconds=-3)
    assert isinstance(answers["b"], Transient)
    end.set()
    for thread in set(threads()) - before:
        thread.join(9)
    assert not begun.is_set()


def test_no_more_calls_run_at_once_than_are_allowed() -> None:
    running, most, lock, all_in = 0, 0, Lock(), Event()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 3:
                all_in.set()
        all_in.wait(9)
        with lock:
            running -= 1

    side_by_side(dict.fromkeys(range(12), call), at_once=3, seconds=9)
    assert most == 3


def test_a_defect_in_a_call_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        side_by_side({"a": lambda: 1 // 0}, at_once=1, seconds=9)


def test_no_calls_give_no_answers() -> None:
    assert side_by_side({}, at_once=1, seconds=9) == {}


# -- calls that begin one by one -------------------------------------------------------------------


def edge(seconds: float = 60) -> Edge:
    """An edge whose clock stands still."""
    return Edge(lambda: NOW, lambda _: None, NOW + timedelta(seconds=seconds))


def test_answers_come_as_calls_end_and_before_a_call_that_hangs(hangs: Callable[[], str]) -> None:
    calls: Calls[str, str] = Calls(edge(), at_once=3, seconds=0.3)
    for key, call in (("a", hangs), ("b", lambda: "B"), ("c", fails)):
        calls.begin(key, call)
    answers = list(calls.answers())
    assert answers[-1][0] == "a"
    assert isinstance(answers[-1][1], Transient)
    assert dict(answers)["b"] == "B"
    assert isinstance(dict(answers)["c"], Misconfigured)


def test_a_call_may_begin_while_answers_are_taken() -> None:
    calls: Calls[str, str] = Calls(edge(), at_once=1, seconds=9)
    calls.begin("a", lambda: "A")
    found = {}
    for key, answer in calls.answers():
        found[key] = answer
        if key == "a":
            calls.begin("b", lambda: "B")
    assert found == {"a": "A", "b": "B"}


def test_no_call_is_waited_for_beyond_the_end_of_the_invocation(hangs: Callable[[], str]) -> None:
    calls: Calls[str, str] = Calls(edge(0), at_once=1, seconds=60)
    calls.begin("a", hangs)
    calls.begin("b", lambda: "B")
    answers = dict(calls.answers())
    assert all(isinstance(answer, Transient) for answer in answers.values())
    assert answers.keys() == {"a", "b"}


def test_a_defect_in_a_begun_call_is_raised() -> None:
    calls: Calls[str, float] = Calls(edge(), at_once=1, seconds=9)
    calls.begin("a", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(calls.answers())
