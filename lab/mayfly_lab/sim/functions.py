"""The four functions as Lambda runs them: one invocation each, with its time-out, in a warm place.

The loops are the shipped ones. What stands between an event and a loop is a few lines in
`mayfly.invoke`, which need Lambda's context; the spans of time are those of that module, and the
time-outs those of `template.yaml` (a test compares them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from mayfly.dispatch.loop import dispatch_until_replaced
from mayfly.dispatch.ports import DispatchPorts
from mayfly.errors import FAILURES
from mayfly.events import InstanceEvent, Messages
from mayfly.invoke import MESSAGES_STAY, NUDGED_STAY, RESERVE
from mayfly.provision.loop import provision_until_quiet
from mayfly.provision.ports import ProvisionPorts
from mayfly.reap.loop import reap_and_look_again, reap_messages
from mayfly.reap.ports import ReapPorts
from mayfly.sandbox.loop import sandbox_while_open
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.edge import Edge
from mayfly_lab.sim.calls import Bucket, Calls, Port
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.profiles import STACK
from mayfly_lab.sim.time import Task, Tasks

TIMEOUTS: Mapping[str, int] = {"dispatch": 90, "provision": 60, "sandbox": 75, "reap": 60}
"""Seconds after which Lambda ends an invocation, by function."""
ATTEMPTS: Mapping[str, Mapping[str, int]] = {
    "dispatch": {},
    "provision": {"machines": 2, "roles": 2, "prices": 1},
    "sandbox": {"machines": 1},
    "reap": {"machines": 2},
}
"""Attempts of botocore by function and port, where `mayfly.adapters.aws.clients` differs."""
_TABLE, _OTHER = 4, 3
_SHORT = timedelta(seconds=2)
OWNER = f"123456789012/eu-central-1/{STACK}"

Fakes = Mapping[str, object]


@dataclass(slots=True)
class Place:
    """A warm execution environment, with what a function keeps between invocations."""

    ports: Any
    calls: Calls | None = None


@dataclass(slots=True)
class Functions:
    """All invocations of one run."""

    tasks: Tasks
    chance: Chance
    fakes: Fakes
    buckets: Mapping[str, Bucket]
    short: bool = False
    """Whether invocations that go on and on have little time: enough at rest, and cheap."""
    made: int = 0
    """Calls of all ports, so far."""
    _free: dict[str, list[Place]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    running: dict[Task, str] = field(default_factory=dict)
    """The function of each invocation that runs."""

    # -- one invocation --------------------------------------------------------------------------

    def invoke(
        self,
        function: str,
        run: Callable[[Any, Edge], object],
        ended: Callable[[bool], object] = bool,
    ) -> None:
        """Begin an invocation. `ended` hears whether it came to its own end."""
        number = self._numbers[function] = self._numbers.get(function, 0) + 1
        name = f"{function} {number}"
        free = self._free.setdefault(function, [])
        place = free.pop() if free else self._new_place(function)
        place.calls = Calls(self.tasks, self.chance, name, self.buckets)
        done = False

        def call() -> None:
            nonlocal done
            left = timedelta(seconds=TIMEOUTS[function]) - RESERVE
            clock = self.tasks.time.clock
            try:
                run(place.ports, Edge(clock, self.tasks.sleep, clock() + left))
                done = True
            except FAILURES:
                done = False
            finally:
                self.running.pop(task, None)
                self.made += place.calls.made if place.calls is not None else 0
                if done:
                    free.append(place)
                ended(done)

        task = self.tasks.begin(name, call)
        self.running[task] = function
        limit = float(TIMEOUTS[function])
        if self.chance.happens("timeout", name):
            limit = self.chance.between(0.1, limit, f"timeout {name}")
        self.tasks.time.after(limit, lambda: self._time_out(task))

    def _time_out(self, task: Task) -> None:
        if not task.dead:
            self.tasks.kill(task)

    def _new_place(self, function: str) -> Place:
        place = Place(None)
        own = ATTEMPTS[function]

        def calls() -> Calls:
            if place.calls is None:
                raise TypeError("a port is called outside of any invocation")
            return place.calls

        def port(name: str, fake: str = "") -> Any:
            attempts = own.get(name, _TABLE if name in {"fleet", "mailbox", "history"} else _OTHER)
            if name == "buildkite":
                attempts = 1
            return Port(calls, name, self.fakes[fake or name], attempts)

        place.ports = _PORTS[function](port)
        return place

    def _within(self, edge: Edge) -> Edge:
        return _within(edge, _SHORT) if self.short else edge

    # -- the kinds of invocations ----------------------------------------------------------------

    def dispatch(self) -> None:
        """The minute's invocation of `dispatch`."""
        number = self._numbers.get("dispatch", 0)

        def run(ports: DispatchPorts, edge: Edge) -> None:
            dispatch_until_replaced(ports, OWNER, f"request-{number}", self._within(edge))

        self.invoke("dispatch", run)

    def provision(self, *, nudged: bool = False, ended: Callable[[bool], object] = bool) -> None:
        """An invocation of `provision`, by schedule or by nudges."""

        def run(ports: ProvisionPorts, edge: Edge) -> None:
            provision_until_quiet(ports, edge, nudged=nudged)

        self.invoke("provision", run, ended)

    def sandbox(self, *, nudged: bool = False, ended: Callable[[bool], object] = bool) -> None:
        """An invocation of `sandbox`, by schedule or by the table's stream."""

        def run(ports: SandboxPorts, edge: Edge) -> None:
            at_most = _within(edge, NUDGED_STAY) if nudged else edge
            sandbox_while_open(ports, self._within(at_most), nudged=nudged)

        self.invoke("sandbox", run, ended)

    def reap(self) -> None:
        """The minute's invocation of `reap`."""

        def run(ports: ReapPorts, edge: Edge) -> None:
            reap_and_look_again(ports, edge)

        self.invoke("reap", run)

    def reap_messages(
        self, events: list[InstanceEvent], nudges: int, ended: Callable[[bool], object]
    ) -> None:
        """An invocation of `reap` by messages of its queue."""

        def run(ports: ReapPorts, edge: Edge) -> None:
            messages = Messages(tuple(events), nudges, ())
            reap_messages(ports, messages, _within(edge, MESSAGES_STAY))

        self.invoke("reap", run, ended)


def _within(edge: Edge, at_most: timedelta) -> Edge:
    stop_at = min(edge.stop_at, edge.clock() + at_most)
    return Edge(edge.clock, edge.sleep, stop_at)


def _dispatch(port: Callable[..., Any]) -> DispatchPorts:
    return DispatchPorts(
        port("fleet"),
        port("buildkite"),
        port("parameters"),
        port("nudges"),
        port("reap_nudges"),
    )


def _provision(port: Callable[..., Any]) -> ProvisionPorts:
    return ProvisionPorts(
        STACK,
        port("fleet"),
        port("history"),
        port("mailbox"),
        port("machines"),
        port("parameters"),
        port("roles"),
        port("prices"),
        port("reap_nudges"),
        port("nudges"),
        "eu-central-1",
        "/buildkite/mayfly/agent-token",
    )


def _sandbox(port: Callable[..., Any]) -> SandboxPorts:
    return SandboxPorts(
        port("fleet"), port("mailbox"), port("machines"), port("nudges"), port("reap_nudges")
    )


def _reap(port: Callable[..., Any]) -> ReapPorts:
    return ReapPorts(
        port("fleet"), port("mailbox"), port("machines"), port("nudges"), port("words")
    )


_PORTS: Mapping[str, Callable[[Callable[..., Any]], object]] = {
    "dispatch": _dispatch,
    "provision": _provision,
    "sandbox": _sandbox,
    "reap": _reap,
}
