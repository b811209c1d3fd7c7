"""What `reap` looks at: everything that runs or should have ended, or one instance of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta

from mayfly.answers import Seen
from mayfly.config.queue import QueueConfig
from mayfly.errors import MayflyError, Misconfigured
from mayfly.ports import Fleet, Machines, Mailbox
from mayfly.reap.decide import ReapView, wants_console
from mayfly.reap.ports import ReapPorts
from mayfly.records.about import fields
from mayfly.records.model import Instance, QueueRecord, SlotKey
from mayfly.records.states import OPEN_INSTANCES, Agent, claim_states
from mayfly_protocol.report import Report

log = logging.getLogger("mayfly")

_RUNNING = claim_states(lambda claim: claim.agent is Agent.RUNS)


def gather(ports: ReapPorts) -> ReapView:
    """Records, EC2's view of everything with our tag, and the reports of those who run."""
    fleet = ports.fleet
    queues = fleet.queues()
    listed = tuple(i for q in queues for i in fleet.instances(q.queue, OPEN_INSTANCES))
    seen = {s.instance_id: s for s in ports.machines.instances()}
    overlooked, unknown = _unlisted(fleet, listed, seen)
    instances = (*listed, *overlooked)
    claims = [c for q in queues for c in fleet.claims(q.queue, _RUNNING)]
    running = {claim.slot: claim for claim in claims if claim.slot is not None}
    reports = read_reports(ports.mailbox, instances)
    silent = [i for i in instances if wants_console(i, seen.get(i.instance_id or ""), reports)]
    return ReapView(
        instances=instances,
        seen=seen,
        reports=reports,
        running=running,
        ended=dict(_ended(fleet, sorted(running.keys() - {i.key for i in instances}))),
        open_launches=frozenset(x.id for q in queues for x in fleet.launches(q.queue)),
        strays={stray.instance_id: stray for stray in fleet.strays()},
        unknown=unknown,
        keep_failed={q.queue: _keep(q) for q in queues},
        consoles=dict(_consoles(ports.machines, silent)),
    )


def gather_one(ports: ReapPorts, instance: Instance, reports: Mapping[str, Report]) -> ReapView:
    """The same of a single instance; nothing is said of strays, nor of whom EC2 does not show."""
    id_ = instance.instance_id or ""
    seen = ports.machines.instance(id_)
    claim = ports.fleet.claim(instance.job) if instance.job else None
    runs = claim is not None and claim.state in _RUNNING and claim.slot == instance.key
    queue = ports.fleet.queue(instance.queue)
    silent = [instance] if wants_console(instance, seen, reports) else []
    return ReapView(
        instances=(instance,),
        seen={id_: seen} if seen else {},
        reports=reports,
        running={instance.key: claim} if claim is not None and runs else {},
        ended={},
        open_launches=frozenset(),
        strays={},
        unknown=frozenset(),
        keep_failed={instance.queue: _keep(queue)} if queue else {},
        consoles=dict(_consoles(ports.machines, silent)),
    )


def _unlisted(
    fleet: Fleet, listed: Iterable[Instance], seen: Mapping[str, Seen]
) -> tuple[tuple[Instance, ...], frozenset[str]]:
    """What EC2 shows and no list does, by consistent reads: open records, and ids without one.

    A list may lag, and has nothing of a queue whose record is gone.
    """
    known = {i.instance_id for i in listed}
    living = [s for s in seen.values() if s.state not in {"shutting-down", "terminated"}]
    suspects = [s.instance_id for s in living if s.instance_id not in known]
    records = {id_: fleet.instance_of(id_) for id_ in suspects}
    overlooked = tuple(record for record in records.values() if record and record.open)
    return overlooked, frozenset(records) - {record.instance_id for record in overlooked}


def read_reports(mailbox: Mailbox, instances: Iterable[Instance]) -> Mapping[str, Report]:
    """Reports of these instances by mailbox row; rows without a readable report are left out."""
    rows = [row for i in instances for row in (i.bootstrap_row, i.sandbox_row) if row]
    return mailbox.reports(rows) if rows else {}


def _ended(fleet: Fleet, slots: Iterable[SlotKey]) -> Iterator[tuple[SlotKey, str]]:
    """The closed slots among these, each with the reason of its end."""
    for slot in slots:
        instance = fleet.instance(slot)
        if instance is None or not instance.open:
            yield slot, instance.reason if instance is not None else "it has no record any more"


def _consoles(machines: Machines, instances: Iterable[Instance]) -> Iterator[tuple[str, str]]:
    """The consoles of those that went without a word, as far as EC2 gives them."""
    for id_ in (i.instance_id for i in instances if i.instance_id):
        try:
            yield id_, machines.console(id_)
        except MayflyError as error:
            # Better a poorer reason than an instance whose record stays open.
            about = fields(instances=[id_])
            log.warning("the console of %s cannot be read: %s", id_, error, extra=about)


def _keep(queue: QueueRecord) -> timedelta:
    try:
        return QueueConfig.from_json(queue.config).keep_failed if queue.config else timedelta(0)
    except Misconfigured:
        return timedelta(0)  # another version of Mayfly wrote it: `provision` reads it anew
