"""Applies what reap decided: the reasons of an end are safe before its record is closed."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.errors import Conflict, MayflyError, NotFound, Transient
from mayfly.ports import Fleet, LastWords, Machines, Mailbox, Nudges
from mayfly.reap.actions import (
    ClearMailbox,
    KeepLastWords,
    RaiseAlarm,
    ReapAction,
    TerminateInstances,
    WarnHost,
)
from mayfly.records.changes import Change, Save
from mayfly.records.model import Instance
from mayfly.tick.actions import NudgeProvision, WriteRecords

log = logging.getLogger("mayfly")

NOTICE_LIFE = timedelta(minutes=10)
"""How long a notice outlives its instance if nothing else removes the row."""


@dataclass(frozen=True, slots=True)
class ReapPorts:
    """What `reap` may touch."""

    fleet: Fleet
    mailbox: Mailbox
    machines: Machines
    nudges: Nudges
    words: LastWords


@dataclass(slots=True)
class Applier:
    """The actions of one tick."""

    ports: ReapPorts
    now: datetime
    behind: set[str | None] = field(default_factory=set)
    """Instances for which something must be tried again first.

    Nothing that builds on it is done: above all, nobody is terminated whose record another
    function has just moved on.
    """

    def apply(self, action: ReapAction) -> None:
        """Perform one action."""
        ports = self.ports
        match action:
            case WriteRecords():
                self._write(action.changes)
            case KeepLastWords():
                self._keep_words(action)
            case TerminateInstances():
                ids = [id_ for id_ in action.instance_ids if id_ not in self.behind]
                if ids:
                    ports.machines.terminate(ids)
            case WarnHost():
                ports.mailbox.notice(action.row, action.text, self.now + NOTICE_LIFE)
            case ClearMailbox():
                self._clear(action.instance)
            case NudgeProvision():
                ports.nudges.send(action.reason)
            case RaiseAlarm():
                log.error("%s: %s", action.metric, action.reason)
            case _:
                assert_never(action)

    def _write(self, changes: Sequence[Change]) -> None:
        records = [change.record for change in changes if isinstance(change, Save)]
        instances = [record for record in records if isinstance(record, Instance)]
        for instance in instances:
            self._check(instance)
        try:
            self.ports.fleet.write(changes)
        except MayflyError:
            self.behind.update(instance.instance_id for instance in instances)
            raise

    def _keep_words(self, action: KeepLastWords) -> None:
        with self._first(action.instance):
            text = _text(action, self.ports)
            self.ports.words.keep(action.instance.instance_id or "", text, self.now)
        if action.then:
            self._write(action.then)

    def _clear(self, instance: Instance) -> None:
        with self._first(instance):
            current = self.ports.fleet.instance(instance.key)
            if current is None or current.version != instance.version:
                # The record could not be closed now, and the next tick would miss the host's words.
                self.behind.add(instance.instance_id)
                raise Conflict(f"{instance.key} has moved on")
            rows = (instance.bootstrap_row, instance.sandbox_row)
            self.ports.mailbox.remove([row for row in rows if row])

    @contextmanager
    def _first(self, instance: Instance) -> Iterator[None]:
        """What comes before the record is closed, and is tried again when it may work later.

        Only then: a log group that is gone must not keep a record open.
        """
        self._check(instance)
        try:
            yield
        except Transient:
            self.behind.add(instance.instance_id)
            raise

    def _check(self, instance: Instance) -> None:
        if instance.instance_id in self.behind:
            raise Conflict(f"what comes first for {instance.instance_id} did not come off")


def _text(action: KeepLastWords, ports: ReapPorts) -> str:
    """The reason, the host's own words and its console: all that is left of a failed host."""
    instance = action.instance
    try:
        console = ports.machines.console(instance.instance_id or "")
    except NotFound:
        console = "(EC2 has no console output of it any more)"
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
