"""Whose job is next: by priority, then pipelines in turn, then age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from mayfly.records.turns import Wanted, in_turn
from tests.unit.builders import ago


def job(name: str, minutes: int = 0, priority: int = 0, *, claimed: bool = True) -> Wanted:
    """A job; its name begins with its pipeline."""
    return Wanted(name, name.partition("-")[0], priority, ago(60 * minutes), claimed)


@dataclass(frozen=True)
class Order:
    story: str
    wanted: tuple[Wanted, ...]
    expected: str
    busy: Mapping[str, int] = field(default_factory=dict)


ORDERS = [
    Order("nothing waits", (), ""),
    Order("one pipeline goes by age", (job("a-1", 1), job("a-2", 3), job("a-3", 2)), "a-2 a-3 a-1"),
    Order("equal jobs go by name", (job("a-2"), job("a-1")), "a-1 a-2"),
    Order("priority goes first", (job("a-1", 9), job("b-1", 1, 1)), "b-1 a-1"),
    Order(
        "pipelines take turns, the oldest job first",
        (job("a-1", 9), job("a-2", 8), job("a-3", 7), job("b-1", 2), job("c-1", 3)),
        "a-1 c-1 b-1 a-2 a-3",
    ),
    Order(
        "a pipeline with jobs on instances comes after one with fewer",
        (job("a-1", 9), job("a-2", 8), job("b-1", 1), job("c-1", 2)),
        "c-1 b-1 a-1 a-2",
        {"a": 2, "b": 1},
    ),
    Order(
        "a pipeline's own more urgent jobs count before its other ones",
        (job("a-1", 1, 5), job("a-2", 9), job("b-1", 2)),
        "a-1 b-1 a-2",
    ),
    Order(
        "of equally urgent jobs of a turn the reserved one goes first",
        (job("a-1", 9, claimed=False), job("b-1", 1)),
        "b-1 a-1",
    ),
    Order(
        "a job without a known pipeline is a pipeline of its own",
        (Wanted("x", "", 0, ago(60)), Wanted("y", "", 0, ago(30)), job("a-1"), job("a-2")),
        "x y a-1 a-2",
    ),
]


@pytest.mark.parametrize("case", ORDERS, ids=lambda case: case.story)
def test_jobs_come_in_turn(case: Order) -> None:
    for wanted in (case.wanted, case.wanted[::-1]):
        assert " ".join(each.job for each in in_turn(wanted, case.busy)) == case.expected


@pytest.mark.parametrize(
    ("limit", "within"), [(None, "a-1 a-2 a-3 b-1"), (3, "a-1 a-2 b-1"), (1, "b-1")]
)
def test_a_limit_counts_jobs_with_an_instance_and_jobs_ahead(
    limit: int | None, within: str
) -> None:
    wanted = [job("a-1", 3), job("a-2", 2), job("a-3", 1), job("b-1")]
    places = in_turn(wanted, {"a": 1})
    assert " ".join(sorted(p.job for p in places if p.is_within(limit))) == within
