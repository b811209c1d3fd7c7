"""Applies what provision decided: records first, then EC2, then what EC2 answered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from mayfly.answers import Launched
from mayfly.errors import Misconfigured, NoCapacity
from mayfly.provision.actions import AdoptLaunch, ProvisionAction, RecordLaunch, SendLaunch
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.settlement import adopted, booked, filled
from mayfly.records.about import about
from mayfly.records.changes import Save
from mayfly.records.model import Instance, Launch
from mayfly.tick.actions import WriteRecords
from mayfly.tick.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Applier:
    """One queue's effects in one tick."""

    ports: ProvisionPorts
    outcome: Outcome
    now: datetime

    def apply(self, action: ProvisionAction) -> None:
        """Perform one action."""
        match action:
            case WriteRecords():
                self.ports.fleet.write(action.changes)
            case RecordLaunch():
                self.ports.fleet.write(action.changes)
                self.apply(action.sent)
                self.outcome.launched += 1
            case SendLaunch():
                self._settle(action.launch, action.slots, self._send(action.launch))
            case AdoptLaunch():
                self._settle(action.launch, action.slots, self._adopt(action.launch))
            case _:
                assert_never(action)

    def _send(self, launch: Launch) -> Launched:
        """EC2's answer, a refusal among them."""
        try:
            return self.ports.machines.create_fleet(launch.request, launch.id)
        except NoCapacity as error:
            self.outcome.failed(f"launch of {launch.shape}", error, about([launch]))
            return Launched((), (str(error),))
        except Misconfigured as error:
            # It says nothing of an earlier try whose answer was lost.
            self.outcome.failed(f"launch of {launch.shape}", error, about([launch]))
            return replace(self._adopt(launch), errors=(str(error),))

    def _adopt(self, launch: Launch) -> Launched:
        """What EC2 shows with the launch's tag, as its answer."""
        seen = self.ports.machines.instances()
        return adopted(launch, [each.instance_id for each in seen if each.launch == launch.id])

    def _settle(self, launch: Launch, slots: tuple[Instance, ...], answer: Launched) -> None:
        """Settle the launch by the answer, then bring the queue's ledger in line."""
        self.ports.fleet.write(filled(launch, slots, answer, self.now))
        ledger = self.ports.fleet.ledger(launch.queue)
        if ledger is None:
            return
        after = booked(ledger, launch, len(answer.instance_ids), self.now)
        if after != ledger:
            self.ports.fleet.write([Save(after)])
