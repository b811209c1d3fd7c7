"""Virtual time, its tasks, and what stands in for threads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

import mayfly
from mayfly.tick import side_by_side
from mayfly_lab.sim.threads import MODULES, Executor, as_tasks, wait_for
from mayfly_lab.sim.time import Killed, Task, Tasks, Time
from mayfly_lab.sim.world import BEGIN


class Run:
    """Tasks, with a log of what they do and when."""

    def __init__(self) -> None:
        self.time = Time(BEGIN)
        self.log: list[tuple[float, str]] = []
        self.errors: list[tuple[str, Exception]] = []
        self.tasks = Tasks(self.time, lambda task, error: self.errors.append((task.name, error)))

    def say(self, text: str) -> None:
        self.log.append((self.time.seconds, text))

    def begin(self, call: Callable[[], object], owner: Task | None = None) -> Task:
        return self.tasks.begin("a task", call, owner)


@pytest.fixture
def run() -> Iterator[Run]:
    made = Run()
    yield made
    made.tasks.close()
    assert made.errors == []


def sleeper(run: Run, name: str, seconds: float, times: int = 1) -> Callable[[], None]:
    def call() -> None:
        for _ in range(times):
            run.tasks.sleep(seconds)
            run.say(name)

    return call


def test_what_is_due_first_happens_first_and_equal_times_keep_their_order(run: Run) -> None:
    for name, seconds in (("b", 2.0), ("a", 1.0), ("c", 2.0)):
        run.time.after(seconds, partial(run.say, name))
    run.time.run(10)
    assert run.log == [(1.0, "a"), (2.0, "b"), (2.0, "c")]
    assert run.time.clock() == BEGIN + timedelta(seconds=10)


def test_tasks_take_turns_at_their_sleeps(run: Run) -> None:
    run.begin(sleeper(run, "slow", 3, times=2))
    run.begin(sleeper(run, "fast", 2, times=3))
    run.time.run(10)
    assert run.log == [(2, "fast"), (3, "slow"), (4, "fast"), (6, "slow"), (6, "fast")]


def test_a_killed_task_does_nothing_more_nor_do_the_tasks_on_its_behalf(run: Run) -> None:
    owner = run.begin(sleeper(run, "owner", 2, times=9))
    run.begin(sleeper(run, "beside", 2, times=9), owner)
    run.begin(sleeper(run, "another", 2, times=2))
    run.time.run(3)
    run.tasks.kill(owner)
    run.time.run(20)
    assert run.log == [(2, "owner"), (2, "beside"), (2, "another"), (4, "another")]


def test_no_handler_of_a_killed_task_sees_its_death(run: Run) -> None:
    def call() -> None:
        try:
            run.tasks.sleep(5)
        except Exception:  # noqa: BLE001 - as broad as code can be
            run.say("seen")
        run.say("went on")

    task = run.begin(call)
    run.time.run(1)
    run.tasks.kill(task)
    run.time.run(9)
    assert run.log == []
    assert issubclass(Killed, BaseException)


def test_an_error_that_leaves_a_task_is_told(run: Run) -> None:
    def call() -> None:
        raise ValueError("a defect")

    run.begin(call)
    run.time.run(1)
    ((name, error),) = run.errors
    assert (name, str(error)) == ("a task", "a defect")
    run.errors.clear()


def test_calls_of_an_executor_run_side_by_side_as_far_as_it_has_workers(run: Run) -> None:
    def call() -> None:
        pool = Executor(run.tasks, 2)
        made = [pool.submit(sleeper(run, name, 2)) for name in "abc"]
        wait_for(made, tasks=run.tasks)
        run.say("all")

    run.begin(call)
    run.time.run(10)
    assert run.log == [(2, "a"), (2, "b"), (4, "c"), (4, "all")]


def test_waiting_ends_at_the_first_result_or_when_time_is_up(run: Run) -> None:
    def call() -> None:
        pool = Executor(run.tasks, 2)
        made = [pool.submit(sleeper(run, name, sec)) for name, sec in (("a", 1.0), ("b", 9.0))]
        done, _ = wait_for(made, return_when=FIRST_COMPLETED, tasks=run.tasks)
        run.say(f"{len(done)} done")
        done, rest = wait_for(made, timeout=3, tasks=run.tasks)
        run.say(f"{len(done)} done, {len(rest)} not")
        pool.shutdown(wait=False, cancel_futures=True)

    run.begin(call)
    run.time.run(20)
    assert run.log == [(1, "a"), (1, "1 done"), (4, "1 done, 1 not"), (9, "b")]


def test_a_result_is_the_value_or_the_error_of_its_call(run: Run) -> None:
    def fails() -> None:
        run.tasks.sleep(1)
        raise ValueError("no")

    def call() -> None:
        with Executor(run.tasks, 4) as pool:
            good, bad = pool.submit(lambda: 7), pool.submit(fails)
            assert good.result() == 7
            with pytest.raises(ValueError, match="no"):
                bad.result()
        run.say("read")

    run.begin(call)
    run.time.run(5)
    assert run.log == [(1, "read")]


def test_the_control_planes_own_calls_side_by_side_run_as_tasks(run: Run) -> None:
    def call() -> None:
        calls = {name: sleeper(run, name, sec) for name, sec in (("a", 1.0), ("b", 30.0))}
        answers = side_by_side.side_by_side(calls, at_once=8, seconds=2.0)
        run.say(f"{answers['a']}, {type(answers['b']).__name__}")

    with as_tasks(run.tasks):
        run.begin(call)
        run.time.run(5)
    assert run.log == [(1, "a"), (2, "None, Transient")]


def test_no_other_module_of_the_control_plane_makes_threads() -> None:
    """Such threads would run in real time, beside the run."""
    root = Path(mayfly.__file__).parent
    makes = re.compile(
        r"^(?:from concurrent|import concurrent|from threading import .*Thread)", re.MULTILINE
    )
    found = {path for path in root.rglob("*.py") if makes.search(path.read_text("utf-8"))}
    assert found == {Path(str(module.__file__)) for module in MODULES}
