"""Provision: whose instances are launched first where places are short."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mayfly.records.model import Claim, Shape
from tests.unit.builders import (
    NOW,
    SHAPE,
    a_claim,
    a_config,
    a_ledger,
    ago,
    later,
)
from tests.unit.provision_views import S, a_view, decided, launched, of, started

LARGE = replace(SHAPE, instance_types=("m7i.large",))


def of_pipeline(pipeline: str, count: int, shape: Shape, minutes: int) -> tuple[Claim, ...]:
    """Jobs of a pipeline, of which the first has waited this long, and each next one less."""
    return tuple(
        a_claim(
            f"{pipeline}-{n}",
            pipeline=pipeline,
            shape=shape,
            rules=None,
            runnable_at=ago(60 * minutes - n),
        )
        for n in range(count)
    )


MIXED = (*of_pipeline("many", 9, SHAPE, 60), *of_pipeline("few", 2, LARGE, 5))


def test_pipelines_share_the_places_that_are_left_in_turn() -> None:
    view = a_view(waiting=MIXED, ledger=a_ledger(live=46))
    assert started(decided(view)) == [(str(SHAPE), 2)]
    # The next tick sees these two on their way, and the ledger with them.
    coming = of(S.REQUESTED, S.REQUESTED, created=NOW)
    view = replace(view, instances=coming, ledger=a_ledger(live=48))
    assert started(decided(view)) == [(str(LARGE), 2)]


def test_the_last_place_is_the_oldest_jobs_however_many_wait_with_it() -> None:
    many = (*of_pipeline("many", 99, SHAPE, 60), *MIXED[-2:])
    assert started(decided(a_view(waiting=many, ledger=a_ledger(live=49)))) == [(str(SHAPE), 1)]


def test_a_pipeline_with_jobs_on_instances_comes_after_one_without() -> None:
    view = a_view(waiting=MIXED, ledger=a_ledger(live=49), busy_pipelines={"many": 7})
    assert started(decided(view)) == [(str(LARGE), 1)]


def test_a_shape_that_must_wait_takes_no_place() -> None:
    waits = a_ledger(live=46, retry_at={str(LARGE): later(9)}, misses={str(LARGE): 1})
    assert started(decided(a_view(waiting=MIXED, ledger=waits))) == [(str(SHAPE), 4)]


def test_the_pool_gets_what_jobs_leave() -> None:
    view = a_view(waiting=MIXED[-2:], ledger=a_ledger(live=47))
    assert started(decided(view, a_config(hot=5))) == [(str(LARGE), 2)]
    coming = of(S.REQUESTED, S.REQUESTED, created=NOW, shape=LARGE)
    view = replace(view, instances=coming, ledger=a_ledger(live=49))
    assert started(decided(view, a_config(hot=5))) == [(str(SHAPE), 1)]


@pytest.mark.parametrize(("busy", "launch"), [({}, 3), ({"many": 2}, 1), ({"many": 3}, 0)])
def test_no_instance_is_launched_for_jobs_over_their_pipelines_limit(
    busy: dict[str, int], launch: int
) -> None:
    view = a_view(waiting=MIXED[:9], busy_pipelines=busy)
    assert launched(view, a_config(per_pipeline=3)) == launch
