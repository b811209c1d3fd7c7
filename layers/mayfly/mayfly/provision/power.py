"""Stops and starts instances: writes records and orders, then calls EC2 beside the launches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from mayfly.errors import Failure
from mayfly.provision.actions import StartInstance, StopInstance
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.refused import after_refusal
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import Calls
from mayfly_protocol.order import Order

AT_ONCE = 8
"""Calls side by side: one for the stops and one for the starts of each queue."""
SECONDS = 10.0
"""Longest wait of a tick for EC2's answer. A later tick looks at EC2's state."""

Switched = StopInstance | StartInstance


@dataclass(slots=True)
class Power:
    """Stops and starts of one tick, of all queues."""

    ports: ProvisionPorts
    outcome: Outcome
    now: datetime
    edge: Edge
    _written: list[Switched] = field(init=False, default_factory=list)
    """Actions whose records are written and whose calls have not begun."""
    _begun: list[list[Switched]] = field(init=False, default_factory=list)
    """The actions of each call."""
    _calls: Calls[int, Mapping[str, Failure]] = field(init=False)

    def __post_init__(self) -> None:
        self._calls = Calls(self.edge, AT_ONCE, SECONDS)

    def write(self, action: Switched) -> None:
        """Write the record, and a started host's order. Raises what the ports raise."""
        if action.first:
            self.ports.fleet.write(action.first)
        if isinstance(action, StartInstance):
            self._order(action)
        self._written.append(action)

    def begin(self) -> None:
        """Begin the calls for what is written: one for all stops, one for all starts."""
        stops = [action for action in self._written if isinstance(action, StopInstance)]
        starts = [action for action in self._written if isinstance(action, StartInstance)]
        for actions, act in (
            (stops, self.ports.machines.stop),
            (starts, self.ports.machines.start),
        ):
            if actions:
                ids = [action.instance.instance_id or "" for action in actions]
                self._calls.begin(len(self._begun), partial(act, ids))
                self._begun.append(list(actions))
        self._written.clear()

    def finish(self) -> None:
        """Take EC2's answers as they come, and write what follows on a refusal."""
        for key, answer in self._calls.answers():
            for action in self._begun[key]:
                with self.outcome.attempt(action):
                    refusal = (
                        answer.get(action.instance.instance_id or "")
                        if isinstance(answer, Mapping)
                        else answer
                    )
                    self._take(action, refusal)

    def _take(self, action: Switched, refusal: Failure | None) -> None:
        if refusal is None:
            self.outcome.succeeded(action)
            # As after a launch: what is left may be decided at once.
            self.outcome.launched += isinstance(action, StartInstance)
            return
        changes = after_refusal(action, refusal, self.now)
        if not changes:
            raise refusal
        self.ports.fleet.write(changes)
        what = f"instance {action.instance.instance_id} of {action.instance.shape}"
        self.outcome.failed(what, refusal, action.about)
        self.ports.reap_nudges.send(f"EC2 refused: {what}")
        self.outcome.launched += 1

    def _order(self, action: StartInstance) -> None:
        """Write the order, which holds as long as the record may stay in its state."""
        instance = action.instance
        expires = instance.since + timedelta(minutes=instance.boot_minutes)
        order = Order(instance.starts, expires)
        self.ports.mailbox.order(instance.sandbox_row or "", order)
