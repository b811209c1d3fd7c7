"""Applies the actions of `provision`: write records, call EC2, write EC2's answer.

EC2 is called side by side for several queues, at most once at a time for each: a launch that hangs
or is throttled holds up its own queue alone. Records are written by one thread, a queue's in order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import assert_never

from mayfly.answers import Launched
from mayfly.errors import FAILURES, Failure, Misconfigured, NoCapacity, Transient
from mayfly.metrics import Failed, Metric
from mayfly.provision.actions import (
    AdoptLaunch,
    ProvisionAction,
    RecordLaunch,
    SendLaunch,
    StartInstance,
    StopInstance,
)
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.power import Power
from mayfly.provision.settlement import ledger_after, recovered_answer, settlement_changes
from mayfly.records.about import about
from mayfly.records.changes import Save
from mayfly.records.model import Instance, Launch
from mayfly.records.prices import Prices
from mayfly.tick.actions import NudgeReap, WriteRecords
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly.tick.prices import known_prices
from mayfly.tick.purchase import Known
from mayfly.tick.side_by_side import Calls

AT_ONCE = 8
"""Calls to EC2 side by side. botocore keeps ten connections open."""
LAUNCH_SECONDS = 10.0
"""Longest wait of a tick for EC2's answer to a launch. The launch is recorded: a later tick sends
it again under its token and gets the same answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """EC2's answer to a launch: what was launched, or why that is not known."""

    launched: Launched | Failure
    refusal: NoCapacity | Misconfigured | None = None
    """EC2's refusal, which is an answer."""


@dataclass(slots=True)
class Applier:
    """Applies the actions of one tick, of all queues."""

    ports: ProvisionPorts
    outcome: Outcome
    now: datetime
    edge: Edge
    _zones: dict[str, Mapping[str, str]] = field(init=False, default_factory=dict)
    """By queue: zones by subnet id."""
    _left: dict[str, deque[ProvisionAction]] = field(init=False, default_factory=dict)
    """By queue: the actions that follow on its action under way."""
    _under_way: dict[str, tuple[ProvisionAction, SendLaunch | AdoptLaunch]] = field(
        init=False, default_factory=dict
    )
    """By queue: the action that waits for EC2's answer, and what was asked."""
    _calls: Calls[str, Answer] = field(init=False)
    _power: Power = field(init=False)
    _prices: Callable[[], Prices | None] = field(init=False)
    """EC2's prices, read for the tick's first answer alone."""

    def __post_init__(self) -> None:
        self._prices = cache(partial(known_prices, self.ports.fleet))
        self._calls = Calls(self.edge, AT_ONCE, LAUNCH_SECONDS)
        self._power = Power(self.ports, self.outcome, self.now, self.edge)

    def begin(
        self, queue: str, actions: Iterable[ProvisionAction], zones: Mapping[str, str]
    ) -> None:
        """Apply a queue's actions up to the first that waits for EC2; `finish` does the rest.

        `zones` has the zones of the queue's subnets, by subnet id.
        """
        self._left[queue], self._zones[queue] = deque(actions), zones
        self._go_on(queue)

    def finish(self) -> None:
        """Take EC2's answers as they come, and apply what follows on each."""
        for queue, answer in self._calls.answers():
            action, asked = self._under_way.pop(queue)
            with self.outcome.attempt(action):
                self._take(asked, answer)
                self.outcome.succeeded(action)
            self._go_on(queue)
        self._power.finish()

    def _go_on(self, queue: str) -> None:
        """Apply a queue's actions up to the next that waits for EC2."""
        left = self._left[queue]
        while left and queue not in self._under_way:
            action = left.popleft()
            if self.edge.clock() >= self.edge.stop_at:
                self.outcome.failed(type(action).__name__, Transient("no time is left"))
                continue
            with self.outcome.attempt(action):
                self._apply(queue, action)
        self._power.begin()

    def _apply(self, queue: str, action: ProvisionAction) -> None:
        """Apply one action, or begin its call. Raises what the ports raise."""
        match action:
            case WriteRecords():
                self.ports.fleet.write(action.changes)
            case RecordLaunch():
                self.ports.fleet.write(action.changes)
                self._ask(queue, action, action.sent)
                return
            case SendLaunch() | AdoptLaunch():
                self._ask(queue, action, action)
                return
            case StopInstance() | StartInstance():
                self._power.write(action)
                return
            case NudgeReap():
                self.ports.reap_nudges.send(action.reason)
            case _:
                assert_never(action)
        self.outcome.succeeded(action)

    def _ask(self, queue: str, action: ProvisionAction, asked: SendLaunch | AdoptLaunch) -> None:
        self._under_way[queue] = action, asked
        self._calls.begin(queue, partial(ask, self.ports, asked))

    def _take(self, asked: SendLaunch | AdoptLaunch, answer: Answer | Failure) -> None:
        """Settle a launch by EC2's answer. Raises the failure, where there is no answer."""
        launch = asked.launch
        if not isinstance(answer, Answer):
            raise answer
        if answer.refusal is not None:
            what = f"launch of {launch.shape}"
            self.outcome.failed(what, answer.refusal, about([launch]))
        if not isinstance(answer.launched, Launched):
            raise answer.launched
        self._settle(launch, asked.slots, answer.launched)
        if missing := len(asked.slots) - len(answer.launched.instance_ids):
            cause = _cause(asked, answer.refusal)
            self.outcome.of_queues.note(Metric.LAUNCHES_FAILED, launch.queue, missing, cause)

    def _settle(self, launch: Launch, slots: tuple[Instance, ...], answer: Launched) -> None:
        """Settle the launch by EC2's answer, then update the queue's ledger."""
        known = Known(self._zones[launch.queue], self._prices())
        self.ports.fleet.write(settlement_changes(launch, slots, answer, self.now, known))
        self.outcome.launched += 1
        ledger = self.ports.fleet.ledger(launch.queue)
        if ledger is None:
            return
        after = ledger_after(ledger, launch, answer, self.now)
        if after != ledger:
            self.ports.fleet.write([Save(after)])


def _cause(asked: SendLaunch | AdoptLaunch, refusal: Failure | None) -> Failed:
    """Why instances of a settled launch are missing."""
    if isinstance(asked, AdoptLaunch):
        return Failed.UNANSWERED
    return Failed.REFUSED if isinstance(refusal, Misconfigured) else Failed.NO_CAPACITY


def ask(ports: ProvisionPorts, asked: SendLaunch | AdoptLaunch) -> Answer:
    """Send a launch, or look for its instances. Returns EC2's answer; a refusal is one."""
    launch = asked.launch
    if isinstance(asked, AdoptLaunch):
        return Answer(_adopt(ports, launch))
    try:
        return Answer(ports.machines.create_fleet(launch.request, launch.id))
    except NoCapacity as error:
        return Answer(Launched((), (str(error),), dry=error.dry), error)
    except Misconfigured as error:
        # An earlier try with a lost answer may still have launched instances: count them.
        try:
            return Answer(replace(_adopt(ports, launch), errors=(str(error),)), error)
        except FAILURES as unseen:
            return Answer(unseen, error)


def _adopt(ports: ProvisionPorts, launch: Launch) -> Launched:
    """The instances with the launch's tag, in the form of EC2's answer."""
    seen = {i.instance_id: i.bought for i in ports.machines.instances() if i.launch == launch.id}
    return replace(recovered_answer(launch, seen), bought=seen)
