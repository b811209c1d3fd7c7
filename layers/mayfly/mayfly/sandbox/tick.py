"""One tick of `sandbox`: who is set up, whose profile is replaced, whose proof holds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from mayfly.errors import FAILURES
from mayfly.sandbox.actions import ReplaceProfile, SandboxAction
from mayfly.sandbox.decide import WATCHED, SandboxView, decide, imminent, wants_associations
from mayfly.sandbox.ports import SandboxPorts
from mayfly.tick.actions import NudgeProvision, WriteRecords
from mayfly.tick.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Looked:
    """What a tick found: whether anything is on its way, and whether it is about to change."""

    outcome: Outcome
    open_work: bool
    imminent: bool


def tick(ports: SandboxPorts, now: datetime, *, wide: bool) -> Looked:
    """Gather, decide, apply. A wide tick also asks EC2 whether replacements came off."""
    outcome = Outcome()
    try:
        view = gather(ports, wide=wide)
    except FAILURES as error:
        outcome.failed("instances on their way", error)
        return Looked(outcome, open_work=True, imminent=False)
    actions = decide(view, now)
    outcome.perform(actions, lambda action: apply(action, ports))
    return Looked(outcome, bool(view.instances), imminent(view, now))


def gather(ports: SandboxPorts, *, wide: bool) -> SandboxView:
    """Records, then what the hosts say, then what EC2 shows of those who are set up."""
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
    return SandboxView(instances, reports, associations)


def apply(action: SandboxAction, ports: SandboxPorts) -> None:
    """Perform one action."""
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
        case _:
            assert_never(action)
