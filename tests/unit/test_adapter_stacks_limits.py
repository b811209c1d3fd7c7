"""The Stacks adapter keeps Buildkite's limits, and the waits that Buildkite asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mayfly.adapters.buildkite.rate_limits import Allowance
from mayfly.dispatch.rhythm import LISTS
from mayfly.errors import Transient
from tests.unit.stacks_server import NOTHING, Answer, Bench, a_bench, a_page


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as bench:
        yield bench


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Answer(429, {"message": "slow"}, {"Retry-After": "7"}), 7),
        (Answer(429, {"message": "slow"}, {"RateLimit-Reset": "3"}), 3),
        (Answer(429, {"message": "slow", "reset": 2}), 2),
        (Answer(429, {"message": "slow", "reset": 2}, {"Retry-After": "4"}), 4),
        (Answer(429, {"message": "slow"}), 1),
        (Answer(429, {"message": "slow"}, {"Retry-After": "Fri, 20 Nov 2026 09:30:00 GMT"}), 1),
        (Answer(503, {"message": "down"}, {"Retry-After": "30"}), 30),
        (Answer(503, {"message": "down"}, {"Retry-After": "1e9"}), 60),
        (Answer(429, {"message": "slow", "reset": "nan"}, {}), 1),
    ],
)
def test_no_call_is_made_during_a_wait_that_buildkite_asks_for(
    bench: Bench, answer: Answer, wait: float
) -> None:
    bench.answers(answer, Answer(200, {"states": {"a": "running"}}), NOTHING)
    with pytest.raises(Transient) as caught:
        bench.stacks.states(["a"])
    assert caught.value.retry_after == wait
    bench.clock.now += wait - 0.5
    with pytest.raises(Transient) as caught:
        bench.stacks.states(["a"])
    assert caught.value.retry_after == pytest.approx(0.5)
    assert len(bench.server.asked) == 1, "a call was made during the wait that Buildkite asked for"
    bench.clock.now += 0.6
    assert bench.stacks.states(["a"]) == {"a": "running"}


def test_no_call_is_made_once_the_rate_limit_window_is_used_up(bench: Bench) -> None:
    used_up = {"RateLimit-Limit": "20", "RateLimit-Remaining": "0", "RateLimit-Reset": "1"}
    bench.answers(Answer(200, {"states": {}}, used_up), NOTHING)
    bench.stacks.states(["a"])
    with pytest.raises(Transient) as caught:
        bench.stacks.states(["a"])
    assert caught.value.retry_after == 1
    bench.stacks.reserve(["a"], 300)  # every endpoint has its own window
    assert len(bench.server.asked) == 2


def test_calls_pass_while_the_rate_limit_window_has_some_left(bench: Bench) -> None:
    left = {"RateLimit-Limit": "20", "RateLimit-Remaining": "1", "RateLimit-Reset": "1"}
    bench.answers(*[Answer(200, {"states": {}}, left)] * 2)
    bench.stacks.states(["a"])
    bench.stacks.states(["a"])


def test_an_error_without_a_wait_lets_the_next_call_pass(bench: Bench) -> None:
    bench.answers(Answer(500, {}), Answer(200, {"states": {}}))
    with pytest.raises(Transient) as caught:
        bench.stacks.states(["a"])
    assert caught.value.retry_after is None
    assert bench.stacks.states(["a"]) == {}


def test_at_most_the_stated_lists_are_made_in_a_second(bench: Bench) -> None:
    bench.answers(*[a_page()] * (LISTS + 1))
    for _ in range(LISTS):
        bench.stacks.jobs("deploy")
        bench.clock.now += 0.1
    with pytest.raises(Transient) as caught:
        bench.stacks.jobs("deploy")
    assert caught.value.retry_after == pytest.approx(1 - 0.1 * LISTS)
    bench.clock.now += 0.3
    bench.stacks.jobs("deploy")
    assert len(bench.server.asked) == LISTS + 1


def test_pages_beyond_the_limit_of_a_second_are_left_for_the_next_tick(bench: Bench) -> None:
    bench.answers(*[a_page()] * (LISTS - 2))
    for _ in range(LISTS - 2):
        bench.stacks.jobs("other")
    bench.answers(a_page("a", cursor="1"), a_page("b", cursor="2"), a_page("c"))
    assert [job.id for job in bench.stacks.jobs("deploy").jobs] == ["a", "b"]


def test_an_allowance_is_shared_between_threads() -> None:
    allowance = Allowance(8, lambda: 5.0)
    taken: list[float] = []
    threads = [threading.Thread(target=lambda: taken.append(allowance.take())) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(0.0) == 8
