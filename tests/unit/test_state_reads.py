"""A slow answer about job states delays no job, and what it says late is used only where safe."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from mayfly.dispatch import state_reads as module
from mayfly.dispatch import tick as dispatch
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.view import Turn
from mayfly.errors import Conflict, Transient
from mayfly.records.model import QueueRecord
from mayfly.records.states import ClaimState
from mayfly.tick.outcome import Left, Outcome
from tests.unit.builders import QUEUE
from tests.unit.script import Script
from tests.unit.world import World, a_warm_world

C = ClaimState


@pytest.fixture(autouse=True)
def short_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET", 0.02)


class Slow:
    """Buildkite says the states as they are when it is asked, and the answer arrives much later."""

    def __init__(self, world: World) -> None:
        self.gate = threading.Event()
        self.asked: list[Sequence[str]] = []
        self.reads: list[Future[object]] = []
        """The reads that have begun, if `record_reads` was called."""
        self._read = world.buildkite.states
        vars(world.buildkite)["states"] = self.states

    def states(self, jobs: Sequence[str]) -> Mapping[str, str]:
        answer, gate = self._read(jobs), self.gate
        self.asked.append(jobs)
        assert gate.wait(10)
        return answer


class Loop:
    """The ticks of one loop of dispatch in a world."""

    def __init__(self, world: World, reads: LongReads) -> None:
        self.world, self.reads = world, reads

    def tick(self, *, wide: bool = True, reads_states: bool = False) -> Outcome:
        world = self.world
        queues = tuple(world.fleet.all(QueueRecord))
        turn = Turn(
            *(queues, frozenset({QUEUE}), world.fence or 0, wide, reads_states), seen=world.seen
        )
        outcome, world.seen = dispatch.tick(world.dispatch_ports, turn, world.clock.now, self.reads)
        return outcome

    def answered(self) -> None:
        """Wait until the kept read has its answer."""
        assert self.reads.states._read is not None
        self.reads.states._read.answer.exception(10)


@contextmanager
def a_loop(world: World) -> Iterator[Loop]:
    with closing(LongReads.of(world.dispatch_ports)) as reads:
        yield Loop(world, reads)


def assigned(count: int = 1) -> World:
    """A world with `count` hot instances; `job-1` is bound to one of them."""
    world = a_warm_world(count)
    world.schedule("job-1")
    world.dispatch()
    assert world.claim("job-1").state is C.ASSIGNED
    return world


def lose_instance(world: World, job: str = "job-1") -> None:
    """The instance of a bound job ends, and `reap` closes its record."""
    slot = world.claim(job).slot
    instance = world.fleet.instance(slot) if slot is not None else None
    assert instance is not None
    world.machines.end(str(instance.instance_id), "Server.SpotInstanceTermination")
    world.reap()


def test_a_hot_job_is_bound_while_buildkite_does_not_answer_about_other_jobs() -> None:
    world = assigned(2)
    slow = Slow(world)
    with a_loop(world) as loop:
        loop.tick(reads_states=True)
        world.schedule("job-2")
        loop.tick()
        assert world.claim("job-2").state is C.ASSIGNED
        slow.gate.set()
        loop.answered()


def test_one_read_is_under_way_at_most() -> None:
    world = assigned()
    slow = Slow(world)
    with a_loop(world) as loop:
        for _ in range(3):
            loop.tick(reads_states=True)
        assert slow.asked == [["job-1"]]
        slow.gate.set()
        loop.answered()
        loop.tick(reads_states=True)
        assert slow.asked == [["job-1"]]
        loop.tick(reads_states=True)
        assert slow.asked == [["job-1"]] * 2


def test_a_late_answer_settles_a_claim_whose_record_is_unchanged() -> None:
    world = assigned()
    world.buildkite.cancel("job-1")
    slow = Slow(world)
    with a_loop(world) as loop:
        loop.tick(reads_states=True)
        assert world.claim("job-1").state is C.ASSIGNED
        slow.gate.set()
        loop.answered()
        loop.tick()
    assert world.claim("job-1").state is C.RELEASED


def test_a_late_answer_repeats_an_attempt_that_was_over_before_the_read_began() -> None:
    world = assigned()
    lose_instance(world)
    slow = Slow(world)
    with a_loop(world) as loop:
        loop.tick(reads_states=True)
        slow.gate.set()
        loop.answered()
        loop.tick()
    assert world.claim("job-1").attempt == 2


def accept(world: World) -> None:
    slot = world.claim("job-1").slot
    instance = world.fleet.instance(slot) if slot is not None else None
    if instance is None or not instance.state.traits.open:
        raise Conflict("the instance has ended, and its agent with it")
    world.accept("job-1")


def end_instance(world: World) -> None:
    lose_instance(world)


def expire_token(world: World) -> None:
    until = world.claim("job-1").token_until
    assert until is not None
    world.clock.now = max(world.clock.now, until)


EVENTS = (accept, end_instance, expire_token)
ACCEPTED = {C.RUNNING, C.FINISHED}
"""An accepted job whose instance ended is finished: Buildkite misses its agent."""
ORDERS = [order for count in (1, 2, 3) for order in permutations(EVENTS, count)]
CASES = [(order, before) for order in ORDERS for before in (None, *range(len(order) + 1))]


def named(order: tuple[Callable[[World], None], ...], before: int | None) -> str:
    return f"{'-'.join(event.__name__ for event in order)}-{before}"


@pytest.mark.parametrize(("order", "before"), CASES, ids=[named(*case) for case in CASES])
def test_no_order_of_events_beside_a_slow_read_starts_an_accepted_job_again(
    order: tuple[Callable[[World], None], ...], before: int | None
) -> None:
    """`before` events precede the read; None: the job is bound during the read, before all."""
    world = a_warm_world()
    if before is None:
        world.machines.end(str(world.instance().instance_id), "Server.InternalError")
        world.reap()
    world.schedule("job-1")
    world.dispatch()
    accepted = False

    def happen(events: Sequence[Callable[[World], None]]) -> None:
        nonlocal accepted
        for event in events:
            try:
                event(world)
            except Conflict:
                continue  # instance or token has ended: the agent does not get the job
            accepted = accepted or event is accept

    slow = Slow(world)
    with a_loop(world) as loop:
        happen(order[: before or 0])
        loop.tick(reads_states=True)
        if before is None:
            world.provision()
            world.make_ready()
            loop.tick()
            assert world.claim("job-1").state is C.ASSIGNED
        happen(order[before or 0 :])
        slow.gate.set()
        loop.answered()
        loop.tick()
        claim = world.claim("job-1")
        if accepted:
            assert (claim.attempt, claim.state in {C.ASSIGNED, *ACCEPTED}) == (1, True)
        loop.tick(reads_states=True)
        if loop.reads.states.kept:
            loop.answered()
        loop.tick()
    claim = world.claim("job-1")
    assert (claim.state in ACCEPTED) == accepted
    assert claim.attempt == 1 or not accepted


def test_a_failure_of_a_slow_read_is_counted_by_the_tick_that_takes_it() -> None:
    world = assigned()
    gate = threading.Event()

    def states(jobs: Sequence[str]) -> Mapping[str, str]:
        assert gate.wait(10)
        raise Transient("timed out")

    vars(world.buildkite)["states"] = states
    with a_loop(world) as loop:
        assert loop.tick(reads_states=True).left[Left.TRANSIENT] == 0
        gate.set()
        loop.answered()
        assert loop.tick().left[Left.TRANSIENT] == 1
        assert not loop.reads.states.kept


def record_reads(monkeypatch: pytest.MonkeyPatch, reads: list[Future[object]]) -> None:
    """Append each read that begins to `reads`."""

    class Recorded(ThreadPoolExecutor):
        def submit(self, *call: Any, **named: Any) -> Future[Any]:
            reads.append(super().submit(*call, **named))
            return reads[-1]

    monkeypatch.setattr(module, "ThreadPoolExecutor", Recorded)


class SlowScript(Script):
    """A loop in which each answer about states comes after the third wait of its read."""

    def be_slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.slow, self.old = Slow(self.world), 0
        record_reads(monkeypatch, self.slow.reads)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.old = self.old + 1 if len(self.slow.asked) else 0
        if self.old == 3:
            gate, self.slow.gate = self.slow.gate, threading.Event()
            self.slow.asked.clear()
            gate.set()
            wait(self.slow.reads)
            self.old = 0


def test_a_running_job_s_end_is_seen_though_each_answer_outlasts_its_tick(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = a_warm_world()
    world.schedule("job-1")
    script = SlowScript(world, 40, {1: lambda: world.accept("job-1")})
    script.be_slow(monkeypatch)
    ended: list[datetime] = []

    def end_job() -> None:
        world.buildkite.end("job-1")
        ended.append(world.clock.now)

    script.events[20] = end_job
    script.dispatch()
    script.slow.gate.set()
    claim = world.claim("job-1")
    assert claim.state is C.FINISHED
    assert timedelta(0) < claim.since - ended[0] <= timedelta(seconds=18)
