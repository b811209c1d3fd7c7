"""Gathers the view of one `sandbox` tick: records, hosts' reports, EC2's associations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mayfly.answers import Association
from mayfly.errors import FAILURES, Misconfigured
from mayfly.ports import Fleet
from mayfly.records.about import fields
from mayfly.records.ledger import Ledger
from mayfly.sandbox.decide import WATCHED, wants_associations, wants_ledger
from mayfly.sandbox.ports import SandboxPorts
from mayfly.sandbox.view import SandboxView
from mayfly.tick.outcome import Outcome


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
