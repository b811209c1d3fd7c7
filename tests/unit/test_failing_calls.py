"""Calls that Buildkite fails in a row: made more rarely, until Buildkite answers."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import requests

from mayfly.adapters.buildkite.failures import MOST_KNOWN, PAUSES, Failures
from mayfly.adapters.buildkite.stacks import Stacks
from mayfly.adapters.buildkite.stacks_calls import StacksCalls
from mayfly.dispatch.rhythm import LISTS
from mayfly.errors import Conflict, Misconfigured, NotFound, TokenRefused, Transient
from mayfly.tick.outcome import Left
from tests.unit.builders import QUEUE
from tests.unit.script import Script
from tests.unit.stacks_server import Answer, Bench, Clock, a_bench
from tests.unit.world import a_world

DOWN = Answer(503, {"message": "down"})
GOOD = Answer(
    200,
    {
        "reserved": [],
        "job_acquisition_tokens": [],
        "states": {},
        "env": {},
        "jobs": [],
        "page_info": {},
    },
)
TICK = 0.25
RETURN_SHOWS_WITHIN = 5.0

KINDS: dict[str, Callable[[Stacks, str], object]] = {
    "register": lambda stacks, queue: stacks.register(queue, "me"),
    "jobs": lambda stacks, queue: stacks.jobs(queue),
    "reserve": lambda stacks, queue: stacks.reserve([f"{queue}-job"], 300, queue),
    "tokens": lambda stacks, queue: stacks.tokens([f"{queue}-job"], 300, queue),
    "finish": lambda stacks, queue: stacks.finish(f"{queue}-job", "reason", queue),
    "environment": lambda stacks, queue: stacks.environment(f"{queue}-job"),
    "states": lambda stacks, queue: stacks.states([f"{queue}-job"]),
    "notes": lambda stacks, queue: stacks.notify({f"{queue}-job": "a note"}),
}
each_kind = pytest.mark.parametrize("call", KINDS.values(), ids=KINDS)


@pytest.fixture
def bench() -> Iterator[Bench]:
    with a_bench() as made:
        yield made


def fails(bench: Bench, call: Callable[[Stacks, str], object], queue: str = "deploy") -> bool:
    """Whether the call raises Transient."""
    try:
        call(bench.stacks, queue)
    except Transient:
        return True
    return False


def outage(bench: Bench, call: Callable[[Stacks, str], object], seconds: float) -> list[float]:
    """Make the call in each tick while Buildkite is down. Returns the seconds of made calls."""
    made, begun = [], bench.clock.now
    for _ in range(int(seconds / TICK)):
        bench.server.answers.clear()
        bench.answers(DOWN)
        before = len(bench.server.asked)
        assert fails(bench, call)
        if len(bench.server.asked) > before:
            made.append(bench.clock.now - begun)
        bench.clock.now += TICK
    bench.server.answers.clear()
    return made


@each_kind
def test_a_failing_call_is_made_at_most_twenty_times_in_a_minute_of_240_ticks(
    bench: Bench, call: Callable[[Stacks, str], object]
) -> None:
    made = outage(bench, call, 60)
    assert made[:7] == [0, 0.25, 0.75, 1.75, 3.75, 7.75, 11.75]
    assert len(made) <= 20


@each_kind
@pytest.mark.parametrize("seconds", [2, 10, 60, 61.5, 63.75])
def test_buildkites_return_shows_within_five_seconds_of_any_outage(
    bench: Bench, call: Callable[[Stacks, str], object], seconds: float
) -> None:
    outage(bench, call, seconds)
    bench.answers(GOOD)
    returned = bench.clock.now
    while fails(bench, call):
        bench.clock.now += TICK
    assert bench.clock.now - returned <= RETURN_SHOWS_WITHIN - TICK


@each_kind
def test_a_single_failure_delays_no_call_and_leaves_no_trace_after_an_answer(
    bench: Bench, call: Callable[[Stacks, str], object]
) -> None:
    for _ in range(5):
        bench.answers(DOWN, GOOD)
        assert fails(bench, call)
        assert not fails(bench, call)
        bench.clock.now += TICK
    assert len(bench.server.asked) == 10


@each_kind
def test_a_call_that_fails_for_one_queue_is_delayed_for_no_other_queue(
    bench: Bench, call: Callable[[Stacks, str], object]
) -> None:
    for _ in range(40):
        bench.server.answers.clear()
        bench.answers(DOWN)
        assert fails(bench, call, "deploy")
        bench.server.answers.clear()
        bench.answers(GOOD)
        assert not fails(bench, call, "other")
        bench.clock.now += TICK


def test_a_call_that_fails_delays_no_other_kind_of_call(bench: Bench) -> None:
    outage(bench, KINDS["jobs"], 30)
    for name, call in KINDS.items():
        bench.answers(*[GOOD] * (name != "jobs"))
        assert fails(bench, call) is (name == "jobs")


@pytest.mark.parametrize("name", ["finish", "environment"])
def test_a_job_that_buildkite_cannot_serve_delays_no_other_job_of_its_queue(
    bench: Bench, name: str
) -> None:
    calls: dict[str, Callable[[str], object]] = {
        "finish": lambda job: bench.stacks.finish(job, "reason", "deploy"),
        "environment": bench.stacks.environment,
    }
    for _ in range(3):
        bench.answers(*[DOWN] * (len(bench.server.asked) < 2))
        with pytest.raises(Transient):
            calls[name]("job-1")
    bench.answers(GOOD)
    calls[name]("job-2")


def test_the_pause_raises_the_failures_words_and_the_rest_of_the_pause(bench: Bench) -> None:
    bench.answers(DOWN, DOWN)
    for _ in range(2):
        with pytest.raises(Transient, match="get-states: Buildkite answers 503 down") as made:
            bench.stacks.states(["a"])
        assert made.value.retry_after is None
    bench.clock.now += 0.2
    with pytest.raises(Transient) as paused:
        bench.stacks.states(["a"])
    assert str(paused.value) == str(made.value)
    assert paused.value.retry_after == pytest.approx(0.3)


@pytest.mark.parametrize(
    "answer",
    [Answer(403, {}), Answer(404, {}), Answer(409, {}), Answer(401, {})],
    ids=lambda answer: str(answer.status),
)
def test_a_refusal_ends_the_failures_in_a_row(bench: Bench, answer: Answer) -> None:
    bench.answers(DOWN, answer, DOWN, GOOD)
    assert fails(bench, KINDS["states"])
    with pytest.raises((Misconfigured, NotFound, Conflict, TokenRefused)):
        bench.stacks.states(["deploy-job"])
    bench.clock.now += 1
    assert fails(bench, KINDS["states"])
    assert len(bench.server.asked) == 3
    bench.clock.now += 1
    bench.stacks.states(["deploy-job"])


@pytest.mark.parametrize("error", [requests.ConnectionError, requests.Timeout])
def test_a_connection_that_fails_or_times_out_counts_as_a_failure(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: type[requests.RequestException]
) -> None:
    tried: list[object] = []

    def request(*_: object, **__: object) -> requests.Response:
        tried.append(error)
        raise error("no answer")

    monkeypatch.setattr(requests.Session, "request", request)
    for _ in range(240):
        assert fails(bench, KINDS["register"])
        bench.clock.now += TICK
    assert 10 < len(tried) <= 20


def test_a_wait_that_buildkite_asks_for_is_no_failure(bench: Bench) -> None:
    slow = Answer(429, {"message": "slow"}, {"Retry-After": "1"})
    bench.answers(*[slow] * 5, GOOD)
    for _ in range(5):
        assert fails(bench, KINDS["states"])
        bench.clock.now += 1
    assert not fails(bench, KINDS["states"])


def test_an_invocation_in_an_outage_makes_few_calls_logs_each_kind_once_and_ends_as_failed(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    world = a_world()
    world.publish("other")
    world.provision()

    def clock() -> float:
        return world.clock.now.timestamp()

    calls = StacksCalls(bench.server.address, bench.token, clock)
    world.buildkite = Stacks(calls, "mayfly-test", LISTS, clock)  # type: ignore[assignment] # real
    bench.answers(*[DOWN] * 999)
    caplog.clear()
    script = Script(world, 52)
    outcome = script.dispatch()
    assert len(script.waits) > 150
    asked = Counter(body["queue_key"] for body in bench.bodies)
    assert asked.keys() == {QUEUE, "other"}
    assert max(asked.values()) <= 18
    assert outcome.left[Left.TRANSIENT] >= 2 * len(script.waits), "paused calls are counted too"
    assert outcome.idle is not None
    assert [line.split(":")[1].strip() for line in caplog.messages] == [
        f"registration of queue {queue}" for queue in (QUEUE, "other")
    ]


# -- what is remembered ----------------------------------------------------------------------------


def test_a_time_out_is_a_pause_already() -> None:
    clock = Clock()
    failures = Failures(clock)
    for _ in range(9):
        began = clock.now
        clock.now += 5
        failures.note("subject", Transient("time-out"), began)
        failures.check("subject")


def test_calls_that_fail_together_count_as_one_failure() -> None:
    clock = Clock()
    failures = Failures(clock)
    began = clock.now
    clock.now += 0.1
    threads = [
        threading.Thread(target=failures.note, args=("subject", Transient("503"), began))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failures.check("subject")
    failures.note("subject", Transient("503"), clock.now)
    with pytest.raises(Transient) as caught:
        failures.check("subject")
    assert caught.value.retry_after == pytest.approx(PAUSES[1])


def test_a_bounded_number_of_failing_subjects_is_remembered() -> None:
    clock = Clock()
    failures = Failures(clock)
    for number in range(3 * MOST_KNOWN):
        for _ in range(2):
            failures.note(f"subject {number}", Transient(str(number)), clock.now)
        clock.now += 0.0001
    with pytest.raises(Transient):
        failures.check(f"subject {3 * MOST_KNOWN - 1}")
    failures.check("subject 0")
    assert len(failures._known) == MOST_KNOWN
