"""Applies the actions of `reap`: the most important first, each part within its time.

Records and terminations come first, then closings, then what concerns no record. Consoles and the
log of last words come last and side by side: a call there that hangs holds up nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar, assert_never

from mayfly.errors import Conflict, Failure, Misconfigured, NoCapacity, NotFound, Transient
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
from mayfly.reap.view import ReapView
from mayfly.reap.words import CONSOLE_TRIES
from mayfly.records.about import Fields, fields
from mayfly.records.model import Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side

log = logging.getLogger("mayfly")

Key = TypeVar("Key")
Value = TypeVar("Value")

LASTING = (Conflict, Misconfigured, NoCapacity, NotFound)
"""Errors that no repetition mends: a console, or a row left, keeps no record open."""
NOTICE_LIFE = timedelta(minutes=10)
"""How long a notice lasts that nothing removes."""
AT_ONCE = 8
"""Consoles, and last words, side by side."""
MOST_WORDS = 48
"""Last words kept in one tick. EC2 allows an account 100 uncached reads, and 20 more a second."""
CONSOLE_SECONDS = 5.0
"""Longest wait of a tick for the consoles that its reasons quote."""
WORDS_SECONDS = 15.0
"""Longest time of a tick for last words."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies the actions of one tick, which ends at the edge's `stop_at`."""

    ports: ReapPorts
    outcome: Outcome
    now: datetime
    edge: Edge
    words: list[KeepLastWords] = field(default_factory=list)
    """Last words to keep when everything else is done."""
    states: dict[str, str] = field(default_factory=dict)
    """EC2's states by id, from its answers to terminations."""

    def carry_out(self, decision: Decision) -> None:
        """Apply everything but last words, which `keep_words` keeps.

        Order: condemned instances and their termination, closings, and then the rest.
        """
        taken = self.take_all(steps for steps in decision.steps if not steps.closes)
        self.terminate(taken)
        self.take_all(steps for steps in decision.steps if steps.closes)
        self.outcome.perform(decision.rest, self._apply)
        for steps in decision.owed:
            if self.take(steps) and steps.words is None:
                log.warning("%s", steps.actions[0].reason, extra=steps.actions[0].about)

    def terminate(self, taken: Iterable[Steps]) -> None:
        """Terminate the instances of the steps, which have all succeeded, in one call."""
        self.outcome.perform(terminations(taken), self._apply)

    def take(self, steps: Steps) -> bool:
        """Apply the actions up to the first that fails. Returns whether all succeeded."""
        done = all(self.outcome.perform([action], self._apply) for action in steps.actions)
        if done and steps.words is not None:
            self.words.append(steps.words)
        for metric, queue, part in steps.counts if done else ():
            self.outcome.of_queues.note(metric, queue, part=part)
        return done

    def consoles(self, view: ReapView) -> Mapping[str, str]:
        """Consoles of the view's instances by EC2 id; consoles that cannot be read are omitted."""
        read = self.ports.machines.console
        calls = {id_: partial(read, id_) for id_ in (i.instance_id for i in view.instances) if id_}
        found: dict[str, str] = {}
        for id_, console in self._side_by_side(calls, CONSOLE_SECONDS).items():
            if isinstance(console, str):
                found[id_] = console
            else:
                # Without its console the reason is poorer; raising would keep the record open.
                self.outcome.failed(f"console of {id_}", console, fields(instances=[id_]))
        return found

    def keep_words(self) -> None:
        """Keep last words side by side, then save that they are kept; the rest is left."""
        now, later = self.words[:MOST_WORDS], self.words[MOST_WORDS:]
        calls = {action.instance.key: partial(self._keep, action) for action in now}
        kept = self._side_by_side(calls, WORDS_SECONDS)
        for action in now:
            failure = kept[action.instance.key]
            if failure is not None:
                self.outcome.failed("last words", failure, action.about)
            # A log group's error that no repetition mends leaves no debt.
            if failure is None or (action.clears and not isinstance(failure, Transient)):
                self.outcome.perform([action], self._note_kept)
        if later:
            ids = [action.instance.instance_id or "" for action in later]
            text = Transient(f"{len(later)} more than one tick keeps")
            self.outcome.failed("last words", text, fields(instances=ids))
        self.words.clear()

    def take_all(self, steps: Iterable[Steps]) -> list[Steps]:
        """Take steps until time is up. Returns the steps with all actions done.

        The steps that no time is left for are left to the next tick.
        """
        taken, left = [], 0
        for each in steps:
            if self.edge.clock() >= self.edge.stop_at:
                left += 1
            elif self.take(each):
                taken.append(each)
        if left:
            self.outcome.failed("instances", Transient(f"no time is left for {left} of them"))
        return taken

    def _side_by_side(
        self, calls: Mapping[Key, Callable[[], Value]], seconds: float
    ) -> dict[Key, Value | Failure]:
        left = (self.edge.stop_at - self.edge.clock()).total_seconds()
        return side_by_side(calls, at_once=AT_ONCE, seconds=min(seconds, left))

    def _apply(self, action: ReapAction) -> None:
        ports = self.ports
        match action:
            case WriteRecords():
                ports.fleet.write(action.changes)
            case TerminateInstances():
                self.states.update(ports.machines.terminate(action.instance_ids))
            case WarnHost():
                ports.mailbox.notice(action.row, action.text, self.now + NOTICE_LIFE)
            case ClearMailbox():
                self._clear(action.instance, action.about)
            case NudgeProvision():
                ports.nudges.send(action.reason)
            case RaiseAlarm():
                self.outcome.alarms.append((action.metric, action.reason))
                log.error("%s: %s", action.metric, action.reason)
            case _:
                assert_never(action)

    def _keep(self, action: KeepLastWords) -> None:
        text = _text(action, _console(action.instance, self.ports, self.now))
        self.ports.words.keep(action.instance.instance_id or "", text, self.now)

    def _note_kept(self, action: KeepLastWords) -> None:
        if action.clears:
            self._clear(action.instance, action.about)
        self.ports.fleet.write(action.then)

    def _clear(self, instance: Instance, about: Fields) -> None:
        """Remove the mailbox rows of an instance. A lasting error goes into the outcome.

        Raises Conflict when the record has changed since it was read: the next tick still needs
        the words in the rows.
        """
        current = self.ports.fleet.instance(instance.key)
        if current is None or current.version != instance.version:
            raise Conflict(f"the record of {instance.key} has changed since it was read")
        rows = (instance.bootstrap_row, instance.sandbox_row)
        try:
            self.ports.mailbox.remove([row for row in rows if row])
        except LASTING as error:
            self.outcome.failed("mailbox rows", error, about)


def _console(instance: Instance, ports: ReapPorts, now: datetime) -> str:
    """The console's text, or why there is none. Raises Transient while a repetition may help."""
    is_old = now - instance.since > CONSOLE_TRIES
    if is_old:
        return "(EC2 did not give the console in time)"
    try:
        return ports.machines.console(instance.instance_id or "") or "(none)"
    except NotFound:
        return "(EC2 has no console output of the instance any more)"
    except LASTING as error:
        return f"(the console cannot be read: {error})"


def _text(action: KeepLastWords, console: str) -> str:
    """All that is left of a failed host as text: reason, history, last words, console."""
    instance = action.instance
    steps = "\n".join(f"  {s.at:%H:%M:%S} {s.state}: {s.reason}" for s in instance.history)
    title = f"{instance.instance_id} of queue {instance.queue}, launch {instance.key}"
    return "\n".join(
        (
            f"{title}: {action.reason}",
            f"history:\n{steps}",
            f"last words:\n{action.words or '(none)'}",
            f"console:\n{console}",
        )
    )
