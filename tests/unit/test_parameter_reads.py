"""Reads of parameters that judge jobs: few calls, each name's fate its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from mayfly.answers import Parameter
from mayfly.dispatch.parameter_reads import CALLS, FRESH, MOST_KEPT, ParameterReads, Read
from mayfly.errors import Misconfigured, Transient
from mayfly.records.about import fields
from mayfly.tick.outcome import Outcome
from mayfly_fakes import FakeParameters
from tests.unit.builders import NOW


class Counted(FakeParameters):
    """Parameters that keep the names of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[str]] = []

    def values(self, names: Collection[str]) -> Mapping[str, Parameter | None]:
        self.asked.append(list(names))
        return super().values(names)


def read(
    reads: ParameterReads, names: list[str], at: timedelta = timedelta(0), outcome: Any = None
) -> Read:
    return reads.read(names, NOW + at, outcome or Outcome(), "lists", fields(queues=["deploy"]))


def names(count: int, first: int = 0) -> list[str]:
    return [f"/vendors/{number:04}" for number in range(first, first + count)]


def test_names_of_several_jobs_share_calls_of_ten_names() -> None:
    parameters = Counted()
    parameters.put("/vendors/0003", "web")
    reads = ParameterReads(parameters)
    found = read(reads, [*names(12), *names(12)])
    assert sorted(map(len, parameters.asked)) == [2, 10]
    assert found.values == {
        **dict.fromkeys(names(12)),
        "/vendors/0003": Parameter("web", 1),
    }
    assert found.late == frozenset()


def test_no_name_is_no_call() -> None:
    parameters = Counted()
    assert read(ParameterReads(parameters), []) == Read({})
    assert parameters.asked == []


def test_an_answer_is_used_for_a_moment_and_then_asked_for_again() -> None:
    parameters = Counted()
    reads = ParameterReads(parameters)
    parameters.put("/a", "web")
    assert read(reads, ["/a"]).values == {"/a": Parameter("web", 1)}
    parameters.put("/a", "api")
    just_before = FRESH - timedelta(microseconds=1)
    assert read(reads, ["/a"], just_before).values == {"/a": Parameter("web", 1)}
    assert read(reads, ["/a"], FRESH).values == {"/a": Parameter("api", 2)}
    assert len(parameters.asked) == 2


def test_a_failed_call_leaves_its_own_names_unreadable_and_is_not_repeated_at_once() -> None:
    parameters, outcome = Counted(), Outcome()
    reads = ParameterReads(parameters)
    parameters.fail_next("values", Misconfigured("AccessDeniedException"))
    found = read(reads, names(20), outcome=outcome)
    assert len(found.values) == 10
    assert outcome.problems == ["lists: AccessDeniedException"]
    again = Outcome()
    assert read(reads, names(20), FRESH / 2, outcome=again) == found
    assert (again.problems, len(parameters.asked)) == ([], 2)
    assert len(read(reads, names(20), FRESH).values) == 20


def test_an_outage_is_no_problem_but_left_to_a_later_tick() -> None:
    parameters, outcome = Counted(), Outcome()
    parameters.fail_next("values", Transient("ThrottlingException"))
    assert read(ParameterReads(parameters), ["/a"], outcome=outcome) == Read({})
    assert outcome.problems == []
    assert outcome.left.total() == 1


def test_a_tick_makes_few_calls_and_says_which_names_come_later() -> None:
    parameters = Counted()
    reads = ParameterReads(parameters)
    wanted = names(10 * CALLS + 5)
    found = read(reads, wanted)
    assert len(parameters.asked) == CALLS
    assert found.values.keys() == set(wanted[: 10 * CALLS])
    assert found.late == set(wanted[10 * CALLS :])
    rest = read(reads, wanted, FRESH / 2)
    assert rest.late == frozenset()
    assert rest.values.keys() == set(wanted)


def test_only_so_many_answers_are_kept() -> None:
    parameters = Counted()
    reads = ParameterReads(parameters)
    for first in range(0, MOST_KEPT + 200, 100):
        read(reads, names(100, first))
    parameters.asked.clear()
    read(reads, names(100))
    assert len(parameters.asked) == CALLS
