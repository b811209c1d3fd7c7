"""Events on their way to the functions: SQS queues, the stream, and what EC2 tells.

Events only nudge: here some are lost, late, or come twice, and nothing may rest on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from mayfly.events import SPOT_NOTICE, InstanceEvent, SpotWarning, StateChanged
from mayfly_lab.sim.chance import Chance
from mayfly_lab.sim.functions import Functions
from mayfly_lab.sim.time import Tasks


@dataclass(slots=True)
class Deliveries:
    """Events on their way: some are lost, late, or come twice."""

    tasks: Tasks
    chance: Chance
    name: str
    usual: tuple[float, float]
    """Seconds that an event usually takes."""
    _numbers: int = 0

    def send(self, arrive: Callable[[], object], after: float = 0.0) -> None:
        """Send an event, to arrive not before `after` seconds."""
        self._numbers += 1
        name = f"{self.name} {self._numbers}"
        if self.chance.happens("lost-event", name):
            return
        late = self.chance.happens("late-event", name)
        takes = self.chance.between(*((0.0, 60.0) if late else self.usual), f"takes {name}")
        self.tasks.time.after(after + takes, arrive)
        if self.chance.happens("doubled-event", name):
            again = self.chance.between(0.0, 60.0, f"again {name}")
            self.tasks.time.after(after + again, arrive)


@dataclass(slots=True)
class NudgeQueue:
    """An SQS queue and its event source mapping: two invocations at most, ten messages each."""

    deliveries: Deliveries
    invoke: Callable[[list[object], Callable[[bool], object]], object]
    hidden: float
    """Seconds until messages of an invocation that died are seen again."""
    _waiting: list[object] = field(default_factory=list)
    _running: int = 0

    def send(self, reason: str, after: timedelta = timedelta(0)) -> None:
        """See `mayfly.ports.Nudges`."""
        self.put(reason, after.total_seconds())

    def put(self, message: object, after: float = 0.0) -> None:
        """Put a message in."""
        self.deliveries.send(partial(self._arrive, message), after)

    def _arrive(self, message: object) -> None:
        self._waiting.append(message)
        self._begin()

    def _begin(self) -> None:
        while self._waiting and self._running < 2:
            batch, self._waiting = self._waiting[:10], self._waiting[10:]
            self._running += 1
            self.invoke(batch, partial(self._ended, batch))

    def _ended(self, batch: list[object], done: bool) -> None:
        self._running -= 1
        time = self.deliveries.tasks.time
        if not done:
            time.after(self.hidden, partial(self._again, batch))
        time.after(0.0, self._begin)

    def _again(self, batch: list[object]) -> None:
        self._waiting.extend(batch)
        self._begin()


@dataclass(slots=True)
class Stream:
    """The mailbox's stream: one invocation of `sandbox` at a time, for all that was written."""

    deliveries: Deliveries
    functions: Functions
    _waiting: bool = False
    _running: bool = False

    def wrote(self) -> None:
        """Hear of a write."""
        self.deliveries.send(self._arrive)

    def _arrive(self) -> None:
        self._waiting = True
        self._begin()

    def _begin(self) -> None:
        if self._waiting and not self._running:
            self._waiting, self._running = False, True
            self.functions.sandbox(nudged=True, ended=self._ended)

    def _ended(self, _: bool) -> None:
        self._running = False
        self.deliveries.tasks.time.after(0.0, self._begin)


def nudges_of_provision(functions: Functions) -> NudgeQueue:
    """The queue that wakes `provision`."""

    def invoke(_: list[object], ended: Callable[[bool], object]) -> None:
        functions.provision(nudged=True, ended=ended)

    return NudgeQueue(_deliveries(functions, "nudge of provision"), invoke, 360.0)


def messages_of_reap(functions: Functions) -> NudgeQueue:
    """The queue that wakes `reap`: EC2's events, and nudges."""

    def invoke(batch: list[object], ended: Callable[[bool], object]) -> None:
        events = [each for each in batch if isinstance(each, StateChanged | SpotWarning)]
        functions.reap_messages(events, len(batch) - len(events), ended)

    return NudgeQueue(_deliveries(functions, "message of reap"), invoke, 120.0)


def event_of(instance_id: str, word: str, now: datetime) -> InstanceEvent | None:
    """EC2's event for an instance's change; None for one that no rule of the stack matches."""
    if word == "warned":
        return SpotWarning(instance_id, now + SPOT_NOTICE)
    if word in {"shutting-down", "stopped", "stopping", "terminated"}:
        return StateChanged(instance_id, word)
    return None


def _deliveries(functions: Functions, name: str) -> Deliveries:
    return Deliveries(functions.tasks, functions.chance, name, (0.02, 0.6))


def a_stream(functions: Functions) -> Stream:
    """The stream of the Mailbox table."""
    deliveries = Deliveries(functions.tasks, functions.chance, "record of the stream", (0.1, 0.7))
    return Stream(deliveries, functions)
