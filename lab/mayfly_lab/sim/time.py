"""Virtual time: what happens, in order, and tasks that wait. One thread and no other clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from weakref import WeakSet

from greenlet import getcurrent, greenlet


class Killed(BaseException):
    """The task is dead: no `except` of the code that runs in it sees this."""


class Task(greenlet):
    """Code that runs until it waits for virtual time. Make tasks by `Tasks.begin`."""

    def __init__(self, name: str, call: Callable[[], object], owner: Task | None) -> None:
        super().__init__(call)
        self.name = name
        self.owner = self if owner is None else owner
        """The task on whose behalf this one runs; itself where there is none."""
        self.is_dead = False


class Time:
    """A virtual clock with its events. Events of one moment happen in the order of their making."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._heap: list[tuple[float, int, Callable[[], object]]] = []
        self._numbers = count()
        self._shown = (0.0, start)
        self.seconds = 0.0
        """Seconds since the start."""

    def clock(self) -> datetime:
        """The present time in UTC."""
        seconds, shown = self._shown
        if seconds != self.seconds:
            shown = self._start + timedelta(seconds=self.seconds)
            self._shown = self.seconds, shown
        return shown

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Call something after so many seconds, zero or more."""
        heapq.heappush(self._heap, (self.seconds + seconds, next(self._numbers), call))

    def run(self, until: float) -> None:
        """Let everything happen up to this second since the start."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.seconds, _, call = heapq.heappop(heap)
            call()
        self.seconds = until


class Tasks:
    """The tasks of one run. Everything but tasks runs in the greenlet that made this object."""

    def __init__(self, time: Time, ended_badly: Callable[[Task, Exception], object]) -> None:
        """`ended_badly` gets each exception that leaves a task."""
        self.time = time
        self._hub = getcurrent()
        self._alive = WeakSet[Task]()
        self._ended_badly = ended_badly

    def begin(self, name: str, call: Callable[[], object], owner: Task | None = None) -> Task:
        """Begin a task at this moment, after what happens now."""
        task: Task

        def run() -> None:
            try:
                call()
            except Killed:
                pass
            except Exception as error:  # noqa: BLE001 - the run judges whatever leaves a task
                self._ended_badly(task, error)

        task = Task(name, run, owner)
        task.parent = self._hub
        self._alive.add(task)
        self.time.after(0.0, lambda: self._switch(task))
        return task

    def current(self) -> Task:
        """The task that runs. Raises TypeError outside of one."""
        task = getcurrent()
        if not isinstance(task, Task):
            raise TypeError("no task runs")
        return task

    def sleep(self, seconds: float) -> None:
        """Let so much time pass in the running task. Raises Killed in a dead one."""
        task = self.current()
        self.check(task)
        self.time.after(max(0.0, seconds), lambda: self._switch(task))
        self._pause(task)

    def check(self, task: Task) -> None:
        """Raise Killed if the task is dead, or the one on whose behalf it runs."""
        if task.is_dead or task.owner.is_dead:
            raise Killed

    def kill(self, task: Task) -> None:
        """Let a task do nothing more, nor those on its behalf."""
        task.is_dead = True

    def close(self) -> None:
        """End every task. Only outside of tasks."""
        for task in sorted(self._alive, key=lambda each: each.name):
            task.is_dead = True
            if task and not task.dead:
                task.throw(Killed)

    def _pause(self, task: Task) -> None:
        self._hub.switch()
        self.check(task)

    def _switch(self, task: Task) -> None:
        # A dead task is woken too: it ends then.
        if not task.dead:
            task.switch()


class Waiter:
    """Wakes one task once: at a poke, or when time is up."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._task = tasks.current()
        self._is_open = True

    def poke(self) -> None:
        """Wake the task, unless it is awake already."""
        if self._is_open:
            self._is_open = False
            self._tasks.time.after(0.0, lambda: self._tasks._switch(self._task))  # noqa: SLF001 - one module

    def wait(self, seconds: float | None) -> None:
        """Wait for a poke, at most so many seconds; None: as long as it takes."""
        self._tasks.check(self._task)
        if seconds is not None:
            self._tasks.time.after(max(0.0, seconds), self.poke)
        self._tasks._pause(self._task)  # noqa: SLF001 - one module
