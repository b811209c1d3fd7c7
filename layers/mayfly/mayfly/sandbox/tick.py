"""One tick of `sandbox`: follow reports, replace profiles, check proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from threading import Event
from typing import assert_never

from mayfly.answers import Association
from mayfly.errors import FAILURES, Misconfigured, Transient
from mayfly.ports import Fleet
from mayfly.records.about import fields
from mayfly.records.model import Ledger
from mayfly.sandbox.actions import ReplaceProfile, SandboxAction
from mayfly.sandbox.decide import (
    WATCHED,
    SandboxView,
    decide,
    imminent,
    wants_associations,
    wants_ledger,
)
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.actions import NudgeProvision, NudgeReap, WriteRecords
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import Calls

AT_ONCE = 8
"""Replacements side by side. botocore keeps ten connections open."""
MOST_REPLACED = 48
"""Replacements begun in one tick. EC2 allows an account 50 changes at once, and 5 more a second."""
REPLACE_SECONDS = 2.0
"""Longest wait of a tick for EC2's answer to a replacement."""


@dataclass(frozen=True, slots=True)
class TickResult:
    """The result of one tick."""

    outcome: Outcome
    open_work: bool
    """Whether instances are on their way to ready; True when they could not be read."""
    imminent: bool
    """Whether an instance is about to change."""


def tick(ports: SandboxPorts, edge: Edge, *, wide: bool) -> TickResult:
    """Gather, decide, apply. A wide tick also reads from EC2 whether profiles were replaced."""
    outcome, now = Outcome(), edge.clock()
    try:
        view = gather(ports, outcome, wide=wide)
    except FAILURES as error:
        outcome.failed("instances on their way", error)
        return TickResult(outcome, open_work=True, imminent=False)
    carry_out(decide(view, now), ports, outcome, edge)
    open_work = bool(view.instances) or outcome.unfinished
    return TickResult(outcome, open_work, imminent(view, now))


def gather(ports: SandboxPorts, outcome: Outcome, *, wide: bool) -> SandboxView:
    """The view: records, then the hosts' reports, then EC2's associations where needed.

    When EC2 does not tell the associations, the view has only the instances that need none.
    """
    instances = tuple(
        instance
        for queue in ports.fleet.queues()
        for instance in ports.fleet.instances(queue.queue, WATCHED)
    )
    rows = [row for i in instances for row in (i.bootstrap_row, i.sandbox_row) if row]
    reports = ports.mailbox.reports(rows) if rows else {}
    wanted = [i for i in instances if wants_associations(i, reports, wide=wide)]
    asked = [instance.instance_id for instance in wanted if instance.instance_id]
    associations: Mapping[str, tuple[Association, ...]] = {}
    try:
        associations = ports.machines.associations(asked) if asked else {}
    except FAILURES as error:
        outcome.failed("profiles of instances", error, fields(instances=asked))
        unknown = {instance.key for instance in wanted}
        instances = tuple(instance for instance in instances if instance.key not in unknown)
    ending = {each.queue for each in instances if wants_ledger(each, reports)}
    return SandboxView(instances, reports, associations, _ledgers(ports.fleet, ending, outcome))


def _ledgers(fleet: Fleet, queues: Iterable[str], outcome: Outcome) -> Mapping[str, Ledger]:
    """Ledgers by queue; queues without one are omitted, and unreadable ones, which are noted.

    A ledger only tells whether a proof has failures to clear: a bad row holds up no boot.
    """
    found: dict[str, Ledger] = {}
    for queue in sorted(queues):
        try:
            ledger = fleet.ledger(queue)
        except Misconfigured as error:
            outcome.failed(f"ledger of queue {queue}", error, fields(queues=[queue]))
        else:
            found.update({queue: ledger} if ledger is not None else {})
    return found


def carry_out(
    actions: Sequence[SandboxAction], ports: SandboxPorts, outcome: Outcome, edge: Edge
) -> None:
    """Apply the actions in their order; profiles are replaced side by side.

    A replacement that hangs or is throttled holds up no write, and the next tick tries it again.
    """
    replacements = Replacements(ports, outcome, edge)
    late = 0
    for action in actions:
        if edge.clock() >= edge.stop_at:
            late += 1
            continue
        with outcome.attempt(action):
            match action:
                case ReplaceProfile():
                    replacements.begin(action)
                case _:
                    _apply(action, ports)
                    outcome.succeeded(action)
    replacements.finish()
    if late:
        text = Transient("no time is left in this tick")
        outcome.failed(f"{late} actions about instances", text)


class Replacements:
    """Replaces profiles side by side, until EC2 throttles one or a tick has begun enough."""

    def __init__(self, ports: SandboxPorts, outcome: Outcome, edge: Edge) -> None:
        self._ports = ports
        self._outcome = outcome
        self._calls: Calls[int, None] = Calls(edge, AT_ONCE, REPLACE_SECONDS)
        self._begun: list[ReplaceProfile] = []
        self._throttled = Event()

    def begin(self, action: ReplaceProfile) -> None:
        """Write what precedes a replacement, then begin its call.

        Raises Transient when this tick begins none any more, and what the records raise.
        """
        if len(self._begun) == MOST_REPLACED:
            raise Transient(f"a tick begins {MOST_REPLACED} replacements")
        self._check_throttle()
        if action.first:
            self._ports.fleet.write(action.first)
        self._calls.begin(len(self._begun), partial(self._replace, action))
        self._begun.append(action)

    def finish(self) -> None:
        """Take EC2's answers as they come."""
        for number, failure in self._calls.answers():
            action = self._begun[number]
            with self._outcome.attempt(action):
                if failure is not None:
                    raise failure
                self._outcome.succeeded(action)

    def _replace(self, action: ReplaceProfile) -> None:
        self._check_throttle()
        profile = action.instance.pinned.sandbox_profile
        try:
            self._ports.machines.replace_profile(action.association, profile)
        except Transient:
            self._throttled.set()
            raise

    def _check_throttle(self) -> None:
        """Raise Transient after a throttled call: further ones would be throttled too."""
        if self._throttled.is_set():
            raise Transient("not begun, because EC2 throttles")


def _apply(action: WriteRecords | NudgeProvision | NudgeReap, ports: SandboxPorts) -> None:
    """Apply one action. Raises what the ports raise."""
    match action:
        case WriteRecords():
            ports.fleet.write(action.changes)
        case NudgeProvision():
            ports.nudges.send(action.reason)
        case NudgeReap():
            ports.reap_nudges.send(action.reason)
        case _:
            assert_never(action)
