"""Applies the actions of `reap`. Last words are kept before the instance's record is closed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.errors import Conflict, Misconfigured, NoCapacity, NotFound
from mayfly.reap.actions import (
    ClearMailbox,
    Decision,
    KeepLastWords,
    RaiseAlarm,
    ReapAction,
    Steps,
    TerminateInstances,
    WarnHost,
)
from mayfly.reap.decide import terminations
from mayfly.reap.ports import ReapPorts
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.outcome import Outcome

log = logging.getLogger("mayfly")

LASTING = (Conflict, Misconfigured, NoCapacity, NotFound)
"""Errors that no repetition mends: without last words or with a row left, the record is closed."""
NOTICE_LIFE = timedelta(minutes=10)
"""How long a notice lasts in a mailbox row that nothing removes."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies the actions of one tick."""

    ports: ReapPorts
    outcome: Outcome
    now: datetime

    def carry_out(self, decision: Decision) -> None:
        """Apply all steps, then terminate instances with all steps done, then apply the rest."""
        taken = [steps for steps in decision.steps if self.take(steps)]
        self.outcome.perform(terminations(taken), self._apply)
        self.outcome.perform(decision.rest, self._apply)

    def take(self, steps: Steps) -> bool:
        """Apply the actions up to the first that fails. Returns whether all succeeded."""
        return all(self.outcome.perform([action], self._apply) for action in steps.actions)

    def _apply(self, action: ReapAction) -> None:
        ports = self.ports
        match action:
            case WriteRecords():
                ports.fleet.write(action.changes)
            case KeepLastWords():
                self._keep_words(action)
            case TerminateInstances():
                ports.machines.terminate(action.instance_ids)
            case WarnHost():
                ports.mailbox.notice(action.row, action.text, self.now + NOTICE_LIFE)
            case ClearMailbox():
                self._clear(action)
            case NudgeProvision():
                ports.nudges.send(action.reason)
            case RaiseAlarm():
                self.outcome.alarms.append((action.metric, action.reason))
                log.error("%s: %s", action.metric, action.reason)
            case _:
                assert_never(action)

    def _keep_words(self, action: KeepLastWords) -> None:
        """Keep the words, then save that they are kept. A lasting error goes into the outcome."""
        try:
            text = _text(action, self.ports)
            self.ports.words.keep(action.instance.instance_id or "", text, self.now)
        except LASTING as error:
            self.outcome.failed("last words", error, action.about)
        else:
            if action.then:
                self.ports.fleet.write(action.then)

    def _clear(self, action: ClearMailbox) -> None:
        """Remove the mailbox rows of an instance. A lasting error goes into the outcome.

        Raises Conflict when the record has changed since it was read: the next tick still needs
        the words in the rows.
        """
        instance = action.instance
        current = self.ports.fleet.instance(instance.key)
        if current is None or current.version != instance.version:
            raise Conflict(f"the record of {instance.key} has changed since it was read")
        rows = (instance.bootstrap_row, instance.sandbox_row)
        try:
            self.ports.mailbox.remove([row for row in rows if row])
        except LASTING as error:
            self.outcome.failed("mailbox rows", error, action.about)


def _text(action: KeepLastWords, ports: ReapPorts) -> str:
    """All that is left of a failed host as text: reason, history, last words, console."""
    instance = action.instance
    try:
        console = ports.machines.console(instance.instance_id or "")
    except NotFound:
        console = "(EC2 has no console output of the instance any more)"
    steps = "\n".join(f"  {s.at:%H:%M:%S} {s.state}: {s.reason}" for s in instance.history)
    title = f"{instance.instance_id} of queue {instance.queue}, launch {instance.key}"
    return "\n".join(
        (
            f"{title}: {action.reason}",
            f"history:\n{steps}",
            f"last words:\n{action.words or '(none)'}",
            f"console:\n{console or '(none)'}",
        )
    )
