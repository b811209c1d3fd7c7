"""The functions of the account: their idle and busy workers, and their limits of concurrency."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mayfly_lab.aws.functions.environment import (
    ExecutionEnvironment,
    FunctionSpec,
    Outcome,
    WorkerGoneError,
)
from mayfly_lab.aws.functions.fork_server import ForkServer
from mayfly_lab.aws.world import World

KILL_SECONDS = 0.2
"""Seconds into an invocation at which a `kill` fault without a value strikes."""


class ThrottledError(Exception):
    """The function's or the account's limit of concurrent invocations is reached."""


@dataclass(slots=True)
class _Function:
    spec: FunctionSpec
    idle: list[ExecutionEnvironment] = field(default_factory=list)
    running: int = 0


class Functions:
    """Invokes functions synchronously. Thread-safe."""

    def __init__(
        self,
        world: World,
        create: Callable[[FunctionSpec, ForkServer], ExecutionEnvironment],
    ) -> None:
        self._world = world
        self._create = create
        self._fork_server = ForkServer()
        self.begun: Callable[[str], None] = lambda _: None
        """Called with the function's name when an invocation begins; not for a throttled one."""
        self._lock = threading.Lock()
        self._closed = False
        self._by_arn: dict[str, _Function] = {}
        self._busy: dict[str, ExecutionEnvironment] = {}

    def add(self, spec: FunctionSpec) -> None:
        """Register a function; its workers start with the first invocations."""
        with self._lock:
            self._by_arn[spec.arn] = _Function(spec)

    def spec(self, name: str) -> FunctionSpec:
        """Specification of the function with this ARN or name.

        Raises:
            KeyError: the function is unknown.
        """
        if name in self._by_arn:
            return self._by_arn[name].spec
        for function in self._by_arn.values():
            if function.spec.name == name:
                return function.spec
        raise KeyError(name)

    def running(self, name: str) -> int:
        """How many invocations of a function (by ARN or name) run now."""
        return self._by_arn[self.spec(name).arn].running

    def all(self) -> list[FunctionSpec]:
        """Specifications of all functions."""
        return [function.spec for function in self._by_arn.values()]

    def invoke(self, name: str, event: Any) -> Outcome:
        """Run a function (by ARN or name) on an event, and wait for its end.

        Raises:
            KeyError: the function is unknown.
            ThrottledError: the function's or the account's limit of invocations is reached.
        """
        function = self._by_arn[self.spec(name).arn]
        while (outcome := self._invoke(function, event)) is None:
            pass
        self._journal_outcome(function.spec, outcome)
        return outcome

    def _invoke(self, function: _Function, event: Any) -> Outcome | None:
        """Run a function in one worker. Returns None when the worker had died while idle."""
        environment = self._take(function)
        self.begun(function.spec.name)
        try:
            if fault := self._world.faults.take("kill", _short(function.spec)):
                seconds = fault.seconds if fault.value else KILL_SECONDS
                self._world.timers.after(seconds, environment.kill)
            return environment.invoke(event)
        except WorkerGoneError:
            return None
        finally:
            self._give_back(function, environment)

    def _journal_outcome(self, spec: FunctionSpec, outcome: Outcome) -> None:
        self._world.journal.happened(
            "lambda",
            "Invocation",
            FunctionName=spec.name,
            request=outcome.request_id,
            error="" if outcome.error is None else str(outcome.error.get("errorMessage")),
        )

    def kill(self, access_key: str) -> None:
        """Kill the busy worker with this access key, in the middle of its invocation."""
        with self._lock:
            environment = self._busy.get(access_key)
        if environment is not None:
            environment.kill()

    def kill_all(self, name: str) -> int:
        """Kill every busy worker of a function. Returns their number."""
        arn = self.spec(name).arn
        with self._lock:
            doomed = [each for each in self._busy.values() if each.arn == arn]
        for environment in doomed:
            environment.kill()
        return len(doomed)

    def close(self) -> None:
        """End every worker."""
        with self._lock:
            self._closed = True
            idle = [each for function in self._by_arn.values() for each in function.idle]
            busy = list(self._busy.values())
        for environment in busy:
            environment.kill()
        for environment in idle:
            environment.close()
        self._fork_server.close()

    def _take(self, function: _Function) -> ExecutionEnvironment:
        with self._lock:
            running = sum(each.running for each in self._by_arn.values())
            full = running >= self._world.config.concurrency
            if self._closed or full or function.running >= function.spec.concurrency:
                raise ThrottledError(function.spec.name)
            function.running += 1
            while function.idle:
                environment = function.idle.pop()
                if environment.alive:
                    break
                environment.close()
            else:
                environment = self._create(function.spec, self._fork_server)
            self._busy[environment.access_key] = environment
        return environment

    def _give_back(self, function: _Function, environment: ExecutionEnvironment) -> None:
        with self._lock:
            function.running -= 1
            del self._busy[environment.access_key]
            keep = environment.alive and not self._closed
            if keep:
                function.idle.append(environment)
        if not keep:
            environment.close()


def _short(spec: FunctionSpec) -> str:
    """`dispatch` for `mayfly-dispatch`."""
    return spec.name.rpartition("-")[2]
