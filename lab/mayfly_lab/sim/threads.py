"""Threads of the functions as tasks: what their code takes from `concurrent.futures`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ALL_COMPLETED, CancelledError
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Self
from unittest.mock import patch

from mayfly.dispatch import environments, gather, state_reads
from mayfly.tick import side_by_side
from mayfly_lab.sim.time import Killed, Tasks, Waiter

MODULES = (environments, gather, side_by_side, state_reads)
"""The modules of the control plane that make threads."""


class Future:
    """As `concurrent.futures.Future`, of a call in a task."""

    def __init__(self, tasks: Tasks, call: Callable[[], object]) -> None:
        self._tasks = tasks
        self._call = call
        self._state = "queued"
        self._value: object = None
        self._error: BaseException | None = None
        self._told: list[Callable[[], object]] = []

    def run(self) -> None:
        """Make the call, in the running task."""
        self._state = "running"
        try:
            self._value = self._call()
        except Killed as error:
            self._error = error
            raise
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            self._error = error
        finally:
            self._end("done")

    def done(self) -> bool:
        """Whether the call has ended or will never begin."""
        return self._state in {"done", "cancelled"}

    def cancelled(self) -> bool:
        """Whether the call will never begin."""
        return self._state == "cancelled"

    def cancel(self) -> bool:
        """Let the call not begin. False if it has begun."""
        if self._state == "queued":
            self._end("cancelled")
        return self._state == "cancelled"

    def result(self) -> Any:
        """The call's value, or its error raised, once it has ended."""
        wait_for([self], tasks=self._tasks)
        if self._state == "cancelled":
            raise CancelledError
        if self._error is not None:
            raise self._error
        return self._value

    def tell(self, call: Callable[[], object]) -> None:
        """Call something when this has ended."""
        self._told.append(call)

    def _end(self, state: str) -> None:
        self._state = state
        for call in self._told:
            call()


class Executor:
    """As `concurrent.futures.ThreadPoolExecutor`, with tasks on behalf of the one that made it."""

    def __init__(self, tasks: Tasks, max_workers: int) -> None:
        self._tasks = tasks
        self._owner = tasks.current().owner
        self._free = max_workers
        self._queued: deque[Future] = deque()
        self._under_way: set[Future] = set()

    def submit(self, call: Callable[..., object], /, *args: object, **named: object) -> Future:
        """Begin a call as soon as a worker is free."""
        future = Future(self._tasks, partial(call, *args, **named))
        self._queued.append(future)
        self._begin()
        return future

    def shutdown(self, *, wait: bool = True, cancel_futures: bool = False) -> None:
        """Take no calls any more. Calls under way go on."""
        if cancel_futures:
            for future in self._queued:
                future.cancel()
            self._queued.clear()
        if wait:
            wait_for([*self._queued, *self._under_way], tasks=self._tasks)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def _begin(self) -> None:
        while self._free and self._queued:
            future = self._queued.popleft()
            if not future.cancelled():
                self._free -= 1
                self._tasks.begin(
                    f"{self._owner.name} beside", partial(self._run, future), self._owner
                )

    def _run(self, future: Future) -> None:
        self._under_way.add(future)
        try:
            future.run()
        finally:
            self._under_way.discard(future)
            self._free += 1
            self._begin()


def wait_for(
    fs: Collection[Future],
    timeout: float | None = None,
    return_when: str = ALL_COMPLETED,
    *,
    tasks: Tasks,
) -> tuple[set[Future], set[Future]]:
    """As `concurrent.futures.wait`."""
    until = None if timeout is None else tasks.time.seconds + timeout
    while True:
        over = {future for future in fs if future.done()}
        rest = set(fs) - over
        enough = not rest if return_when == ALL_COMPLETED else bool(over) or not rest
        left = None if until is None else until - tasks.time.seconds
        if enough or (left is not None and left <= 0):
            return over, rest
        waiter = Waiter(tasks)
        for future in rest:
            future.tell(waiter.poke)
        waiter.wait(left)


@contextmanager
def as_tasks(tasks: Tasks) -> Iterator[None]:
    """Let the control plane's modules make tasks where they make threads."""
    with ExitStack() as stack:
        for module in MODULES:
            stack.enter_context(
                patch.object(module, "ThreadPoolExecutor", partial(Executor, tasks))
            )
            if hasattr(module, "wait"):
                stack.enter_context(patch.object(module, "wait", partial(wait_for, tasks=tasks)))
        yield
