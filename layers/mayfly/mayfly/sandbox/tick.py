"""One tick of `sandbox`: follow reports, replace profiles, check proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from mayfly.errors import FAILURES, Misconfigured
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
from mayfly.tick.outcome import Outcome


@dataclass(frozen=True, slots=True)
class TickResult:
    """The result of one tick."""

    outcome: Outcome
    open_work: bool
    """Whether instances are on their way to ready; True when they could not be read."""
    imminent: bool
    """Whether an instance is about to change."""


def tick(ports: SandboxPorts, now: datetime, *, wide: bool) -> TickResult:
    """Gather, decide, apply. A wide tick also reads from EC2 whether profiles were replaced."""
    outcome = Outcome()
    try:
        view = gather(ports, outcome, wide=wide)
    except FAILURES as error:
        outcome.failed("instances on their way", error)
        return TickResult(outcome, open_work=True, imminent=False)
    actions = decide(view, now)
    outcome.perform(actions, lambda action: apply(action, ports))
    return TickResult(outcome, bool(view.instances), imminent(view, now))


def gather(ports: SandboxPorts, outcome: Outcome, *, wide: bool) -> SandboxView:
    """The view: records, then the hosts' reports, then EC2's associations where needed."""
    instances = tuple(
        instance
        for queue in ports.fleet.queues()
        for instance in ports.fleet.instances(queue.queue, WATCHED)
    )
    rows = [row for i in instances for row in (i.bootstrap_row, i.sandbox_row) if row]
    reports = ports.mailbox.reports(rows) if rows else {}
    wanted = (i for i in instances if wants_associations(i, reports, wide=wide))
    asked = [instance.instance_id for instance in wanted if instance.instance_id]
    associations = ports.machines.associations(asked) if asked else {}
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


def apply(action: SandboxAction, ports: SandboxPorts) -> None:
    """Apply one action. Raises what the ports raise."""
    match action:
        case WriteRecords():
            ports.fleet.write(action.changes)
        case ReplaceProfile():
            if action.first:
                ports.fleet.write(action.first)
            ports.machines.replace_profile(
                action.association, action.instance.pinned.sandbox_profile
            )
        case NudgeProvision():
            ports.nudges.send(action.reason)
        case NudgeReap():
            ports.reap_nudges.send(action.reason)
        case _:
            assert_never(action)
