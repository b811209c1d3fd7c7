"""What happens to a call between a function and a port."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from mayfly.errors import Transient
from mayfly_lab.sim.calls import Bucket, Calls, Port
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.faults import rates
from mayfly_lab.sim.time import Tasks, Time
from mayfly_lab.sim.world import BEGIN


class Shelf:
    """A port with one effect."""

    def __init__(self) -> None:
        self.put: list[str] = []

    def write(self, what: str) -> str:
        self.put.append(what)
        return f"wrote {what}"

    def stop(self, ids: list[str]) -> Mapping[str, Exception]:
        self.put.extend(ids)
        return {}


class Trial:
    """One task that calls the shelf through the simulator, under one fault at every place."""

    def __init__(self, fault: str = "", bucket: Bucket | None = None, attempts: int = 1) -> None:
        self.time, self.shelf = Time(BEGIN), Shelf()
        self.tasks = Tasks(self.time, lambda _, error: self.said.append(f"broken: {error}"))
        self.said: list[str] = []
        chance = Chance(1, rates([(fault, 1.0)] if fault else [], only=True))
        buckets = {} if bucket is None else {"machines.write": bucket}
        calls = Calls(self.tasks, chance, "reap 1", buckets)
        self.port = Port(lambda: calls, "machines", self.shelf, attempts)

    def run(self, call: Callable[[], object], seconds: float = 200) -> None:
        def task() -> None:
            try:
                self.said.append(str(call()))
            except Transient as error:
                self.said.append(f"failed: {error}")

        self.task = self.tasks.begin("reap 1", task)
        self.time.run(self.time.seconds + seconds)


def test_a_call_takes_time_and_gives_the_ports_answer() -> None:
    trial = Trial()
    trial.run(lambda: trial.port.write("a"), seconds=0)
    assert trial.shelf.put == []
    trial.time.run(0.05)
    assert (trial.said, trial.shelf.put) == (["wrote a"], ["a"])


@pytest.mark.parametrize(
    ("fault", "said", "put_at_once", "put_at_last"),
    [
        ("throttle", "failed: Throttling: machines.write", [], []),
        ("lost-answer", "failed: the answer was lost: machines.write", ["a"], ["a"]),
        ("late-effect", "failed: no answer: machines.write", [], ["a"]),
        ("slow-call", "wrote a", ["a"], ["a"]),
    ],
)
def test_a_fault_is_told_to_the_caller_and_has_its_effect_or_none(
    fault: str, said: str, put_at_once: list[str], put_at_last: list[str]
) -> None:
    trial = Trial(fault)
    seen: list[list[str]] = []

    def call() -> str:
        try:
            return str(trial.port.write("a"))
        finally:
            seen.append(list(trial.shelf.put))

    trial.run(call)
    assert (trial.said, seen, trial.shelf.put) == ([said], [put_at_once], put_at_last)


def test_a_cut_ends_the_function_without_the_calls_effect() -> None:
    trial = Trial("cut")
    trial.run(lambda: trial.port.write("a"))
    assert (trial.said, trial.shelf.put, trial.task.is_dead) == ([], [], True)


def test_a_bucket_refuses_what_comes_too_fast_and_fills_again() -> None:
    trial = Trial(bucket=Bucket(2, 0.1))
    for _ in range(3):
        trial.run(lambda: trial.port.write("a"), seconds=1)
    assert trial.said == ["wrote a", "wrote a", "failed: RequestLimitExceeded: machines.write"]
    trial.run(lambda: trial.port.write("b"), seconds=30)
    trial.run(lambda: trial.port.write("b"), seconds=30)
    assert trial.said[-1] == "wrote b"


def test_botocores_further_attempts_come_after_a_sleep_within_the_call() -> None:
    trial = Trial(bucket=Bucket(1, 1.0), attempts=4)
    trial.run(lambda: trial.port.write("a"), seconds=0.05)
    trial.run(lambda: trial.port.write("b"))
    assert trial.said == ["wrote a", "wrote b"]


def test_a_method_that_raises_nothing_returns_a_failure_for_each_id() -> None:
    trial = Trial("throttle")
    trial.run(lambda: sorted(trial.port.stop(["i-1", "i-2"]).items(), key=str))
    assert "Throttling" in trial.said[0]
    assert "i-1" in trial.said[0]
    assert "i-2" in trial.said[0]
