"""Shrinking never takes what a waiting job could use, and growing stays within limits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.config.shapes import serves
from mayfly.provision.decide import decide
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Claim, Instance
from mayfly.records.states import InstanceState
from tests.unit.builders import NOW, SHAPE, SPEC, a_claim, a_config, a_ledger, an_instance
from tests.unit.provision_views import a_view as a_provision_view
from tests.unit.provision_views import of_condemned, slots_of

S = InstanceState
SHAPES = [SHAPE, *(replace(SHAPE, instance_types=(kind,)) for kind in SHAPE.instance_types)]

instances = st.lists(
    st.tuples(
        st.sampled_from([S.READY, S.READY, S.BOOTING, S.REQUESTED]),
        st.sampled_from(SHAPES),
        st.integers(0, 30),
    ),
    max_size=8,
)
waiting = st.lists(st.tuples(st.sampled_from(SHAPES), st.sampled_from("ab")), max_size=8)


def a_view(
    made: list[tuple[InstanceState, object, int]], jobs: list[tuple[object, str]], live: int
) -> ProvisionView:
    held = tuple(
        an_instance(
            *(state, number), shape=shape, since=ago(minutes), created=ago(minutes), spec=SPEC
        )
        for number, (state, shape, minutes) in enumerate(made)
    )
    claims = tuple(
        a_claim(f"job-{n}", shape=shape, rules=None, pipeline=pipeline)
        for n, (shape, pipeline) in enumerate(jobs)
    )
    ledger = a_ledger(live=len(held) + live)
    return a_provision_view(waiting=claims, instances=held, ledger=ledger)


def ago(minutes: int) -> object:
    return NOW - timedelta(minutes=minutes)


def served(claims: Iterable[Claim], held: Iterable[Instance]) -> int:
    """The most jobs that can have one of the instances each, found by trying all ways."""
    jobs, free = list(claims), list(held)
    if not jobs:
        return 0
    first, rest = jobs[0], jobs[1:]
    shapes = {i.shape: i for i in free if serves(i.shape, first.shape)}
    ways = [1 + served(rest, [i for i in free if i is not one]) for one in shapes.values()]
    return max([served(rest, free), *ways])


@given(made=instances, jobs=waiting, hot=st.integers(0, 4), grace=st.integers(0, 10))
@settings(max_examples=100, deadline=None)
def test_what_is_left_serves_as_many_waiting_jobs_as_before(
    made: list[tuple[InstanceState, object, int]],
    jobs: list[tuple[object, str]],
    hot: int,
    grace: int,
) -> None:
    view = a_view(made, jobs, 0)
    config = a_config(hot=hot, grace=timedelta(minutes=grace))
    taken = of_condemned(decide(view, config, NOW))
    left = [each for each in view.instances if each.key not in taken]
    assert served(view.waiting, left) == served(view.waiting, view.instances)


@given(
    made=instances,
    jobs=waiting,
    hot=st.integers(0, 9),
    live=st.integers(0, 9),
    most=st.integers(1, 9),
)
@settings(max_examples=100, deadline=None)
def test_no_launch_exceeds_the_limit_or_what_is_missing(
    made: list[tuple[InstanceState, object, int]],
    jobs: list[tuple[object, str]],
    hot: int,
    live: int,
    most: int,
) -> None:
    view = a_view(made, jobs, live)
    actions = decide(view, a_config(hot=min(hot, most), max_instances=most), NOW)
    launched = slots_of(actions)
    assert launched <= max(most - view.ledger.live, 0)
    assert launched <= len(jobs) + hot
