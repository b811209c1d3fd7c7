"""Applies the actions of `provision`: write records, call EC2, write EC2's answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from mayfly.answers import Launched
from mayfly.errors import Misconfigured, NoCapacity
from mayfly.provision.actions import (
    AdoptLaunch,
    ExplainWait,
    ProvisionAction,
    RecordLaunch,
    SendLaunch,
)
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.settlement import ledger_after, recovered_answer, settlement_changes
from mayfly.records.about import about
from mayfly.records.changes import Save
from mayfly.records.model import Instance, Launch
from mayfly.tick.actions import NudgeReap, WriteRecords
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies one queue's actions in one tick."""

    ports: ProvisionPorts
    outcome: Outcome
    now: datetime

    def apply(self, action: ProvisionAction) -> None:
        """Apply one action. Raises what the ports raise, but no refusal of a launch."""
        match action:
            case WriteRecords():
                self.ports.fleet.write(action.changes)
            case RecordLaunch():
                self.ports.fleet.write(action.changes)
                self.apply(action.sent)
            case SendLaunch():
                self._settle(action.launch, action.slots, self._send(action.launch))
            case AdoptLaunch():
                self._settle(action.launch, action.slots, self._adopt(action.launch))
            case ExplainWait():
                self.ports.fleet.write([Save(action.claim)])
                log.warning("job %s: %s", action.claim.job, action.reason, extra=action.about)
            case NudgeReap():
                self.ports.reap_nudges.send(action.reason)
            case _:
                assert_never(action)

    def _send(self, launch: Launch) -> Launched:
        """Send the launch. Returns EC2's answer; a refusal is one, and goes into the outcome."""
        try:
            return self.ports.machines.create_fleet(launch.request, launch.id)
        except NoCapacity as error:
            self.outcome.failed(f"launch of {launch.shape}", error, about([launch]))
            return Launched((), (str(error),))
        except Misconfigured as error:
            # An earlier try with a lost answer may still have launched instances: count them.
            self.outcome.failed(f"launch of {launch.shape}", error, about([launch]))
            return replace(self._adopt(launch), errors=(str(error),))

    def _adopt(self, launch: Launch) -> Launched:
        """The instances with the launch's tag, in the form of EC2's answer."""
        seen = self.ports.machines.instances()
        return recovered_answer(
            launch, [each.instance_id for each in seen if each.launch == launch.id]
        )

    def _settle(self, launch: Launch, slots: tuple[Instance, ...], answer: Launched) -> None:
        """Settle the launch by EC2's answer, then update the queue's ledger."""
        self.ports.fleet.write(settlement_changes(launch, slots, answer, self.now))
        self.outcome.launched += 1
        ledger = self.ports.fleet.ledger(launch.queue)
        if ledger is None:
            return
        refusal = "; ".join(answer.errors)
        after = ledger_after(ledger, launch, len(answer.instance_ids), self.now, refusal)
        if after != ledger:
            self.ports.fleet.write([Save(after)])
