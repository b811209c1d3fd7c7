"""Turns of pipelines: nobody starves, equal inputs give equal order, and a limit holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from mayfly.config.queue import QueueConfig
from mayfly.dispatch.bound import bind
from mayfly.dispatch.tick import SHOWN_WITHIN, bound_lately
from mayfly.dispatch.view import Lately, QueueView
from mayfly.records.model import Claim, move_claim
from mayfly.records.states import ClaimState, InstanceState
from mayfly.records.turns import Wanted, busy_pipelines, in_turn
from tests.unit.builders import NOW, SPEC, a_claim, a_config, an_instance

jobs = st.lists(
    st.builds(
        lambda pipeline, priority, age: (pipeline, priority, age),
        st.sampled_from("abc"),
        st.integers(0, 1),
        st.integers(0, 5),
    ),
    max_size=12,
)
busy = st.dictionaries(st.sampled_from("abc"), st.integers(0, 3))


def wanted(made: list[tuple[str, int, int]]) -> list[Wanted]:
    return [
        Wanted(f"job-{n:02}", pipeline, priority, NOW - timedelta(minutes=age))
        for n, (pipeline, priority, age) in enumerate(made)
    ]


@given(made=jobs, counts=busy, shuffled=st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_equal_inputs_give_an_equal_order_in_which_every_job_has_one_place(
    made: list[tuple[str, int, int]], counts: dict[str, int], shuffled: Random
) -> None:
    mixed = wanted(made)
    shuffled.shuffle(mixed)
    order = in_turn(wanted(made), counts)
    assert in_turn(mixed, counts) == order
    assert sorted(each.job for each in order) == [each.job for each in wanted(made)]


@given(made=jobs, counts=busy, places=st.integers(1, 12))
@settings(max_examples=100, deadline=None)
def test_no_pipeline_gets_another_place_while_one_with_fewer_waits(
    made: list[tuple[str, int, int]], counts: dict[str, int], places: int
) -> None:
    every = {each.job: each for each in wanted(made)}
    order = in_turn(every.values(), counts)
    served, left = order[:places], order[places:]
    for got in served:
        for waits in left:
            one, other = every[got.job], every[waits.job]
            assert one.priority >= other.priority
            if one.priority == other.priority and one.pipeline != other.pipeline:
                assert got.turn <= waits.turn


@dataclass
class Queue:
    """A queue whose records a tick sees as they were some seconds ago: an index lags."""

    config: QueueConfig
    claims: list[tuple[Claim, ...]]
    """The claims after each second."""
    lately: dict[str, Lately] = field(default_factory=dict)
    instances: int = 0

    def tick(self, lag: int, ready: int, opened: tuple[Claim, ...] = ()) -> None:
        """Bind as `dispatch` does, by what the index showed `lag` seconds ago and by new claims."""
        now = NOW + timedelta(seconds=len(self.claims))
        seen = (*self.claims[max(len(self.claims) - 1 - lag, 0)], *opened)
        numbers = range(self.instances, self.instances + ready)
        self.instances += ready
        view = QueueView(
            spec=SPEC,
            claims=seen,
            ready=tuple(an_instance(InstanceState.READY, number) for number in numbers),
            paused=False,
            lately=self.lately,
        )
        binds = {each.claim.job: each.claim for each in bind(view, self.config, now)}
        stored = {claim.job: claim for claim in (*self.claims[-1], *opened)}
        # A binding by an outdated claim fails, because its version is not the stored one.
        done = {job: c for job, c in binds.items() if c.version == stored[job].version}
        self.lately = dict(bound_lately(view, seen, binds, self.config, now))
        after = {**stored, **{job: replace(c, version=c.version + 1) for job, c in done.items()}}
        self.claims.append(tuple(after.values()))

    def end(self, number: int) -> None:
        """One of the jobs with an instance ends, if there is any."""
        now = NOW + timedelta(seconds=len(self.claims))
        having = [c for c in self.claims[-1] if c.state is ClaimState.ASSIGNED]
        if having:
            gone = having[number % len(having)]
            ended = replace(move_claim(gone, ClaimState.RELEASED, now, "over"), version=99)
            rest = tuple(ended if c.job == gone.job else c for c in self.claims[-1])
            self.claims[-1] = rest


LAG = int(SHOWN_WITHIN.total_seconds()) - 1

steps = st.lists(
    st.tuples(st.integers(0, LAG), st.integers(0, 3), st.integers(-4, 9), st.integers(0, 3)),
    max_size=25,
)


@given(made=jobs, limit=st.integers(1, 3), path=steps)
@settings(max_examples=100, deadline=None)
def test_a_limit_holds_although_the_index_shows_bindings_late(
    made: list[tuple[str, int, int]], limit: int, path: list[tuple[int, int, int, int]]
) -> None:
    claims = [
        a_claim(
            each.job,
            pipeline=each.pipeline,
            priority=each.priority,
            runnable_at=each.runnable_at,
            reserved_until=NOW + timedelta(hours=1),
        )
        for each in wanted(made)
    ]
    queue = Queue(a_config(per_pipeline=limit), [()])
    for lag, ready, end, opens in path:
        opened = tuple(claims.pop() for _ in range(min(opens, len(claims))))
        queue.tick(lag, ready, opened)
        assert max(busy_pipelines(queue.claims[-1]).values(), default=0) <= limit
        if end >= 0:
            queue.end(end)


@given(made=jobs, limit=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_every_job_gets_an_instance_in_the_end(
    made: list[tuple[str, int, int]], limit: int
) -> None:
    claims = tuple(
        a_claim(*(each.job,), pipeline=each.pipeline, reserved_until=NOW + timedelta(hours=1))
        for each in wanted(made)
    )
    queue = Queue(a_config(per_pipeline=limit), [claims])
    for _ in range(len(made) * (LAG + 3)):
        queue.tick(0, 1)
        queue.end(0)
    left = Counter(claim.state for claim in queue.claims[-1])
    assert left.keys() <= {ClaimState.RELEASED}
