"""Gathers the view of `reap`: all open instances, or some."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from mayfly.answers import Ec2Instance
from mayfly.config.queue import QueueConfig
from mayfly.errors import FAILURES, Failure, Misconfigured
from mayfly.ports import Fleet, Mailbox
from mayfly.reap.ports import ReapPorts
from mayfly.reap.view import ReapView
from mayfly.reap.words import GOING
from mayfly.records.model import Claim, Instance, QueueRecord, SlotKey
from mayfly.records.prices import Prices
from mayfly.records.states import Agent, HostEnd, InstanceState, claim_states
from mayfly.tick.prices import known_prices
from mayfly.tick.side_by_side import side_by_side
from mayfly_protocol.report import Report

log = logging.getLogger("mayfly")

Name = TypeVar("Name")
Found = TypeVar("Found", Instance, Claim, QueueRecord)

DESCRIBE_SECONDS = 15.0
"""Longest wait of a tick for EC2's instances; a tick of messages has 20 seconds."""
_RUNNING = claim_states(lambda claim: claim.agent is Agent.RUNS)


def gather(ports: ReapPorts) -> ReapView:
    """The view of all open instances: records, EC2's instances with the stack's tag, reports.

    When EC2 does not answer, the view has its failure: what ends by records and reports alone must
    not wait for EC2.
    """
    fleet = ports.fleet
    queues = fleet.queues()
    found = [i for q in queues for i in fleet.instances(q.queue, frozenset(InstanceState))]
    listed = tuple(instance for instance in found if instance.state.traits.open)
    owing = tuple(instance for instance in found if not instance.state.traits.open)
    seen, unanswered = _shown(ports.machines.instances)
    overlooked, unknown = _unlisted(fleet, listed, seen)
    instances = (*listed, *overlooked)
    claims = [c for q in queues for c in fleet.claims(q.queue, _RUNNING)]
    running = {claim.slot: claim for claim in claims if claim.slot is not None}
    living = frozenset(id_ for id_, shown in seen.items() if shown.state not in GOING)
    reports = read_reports(ports.mailbox, (*instances, *owing))
    return ReapView(
        instances=instances,
        seen=seen,
        reports=reports,
        running=running,
        ended=dict(_ended(fleet, sorted(running.keys() - {i.key for i in instances}))),
        open_launches=_open_launches(fleet, (seen[id_].launch for id_ in unknown)),
        strays={stray.instance_id: stray for stray in fleet.strays()},
        unknown=unknown,
        keep_failed={q.queue: _keep(q) for q in queues},
        finished=dict(_finished(fleet, (i for i in instances if i.key not in running))),
        owing=owing,
        unreadable=living - {i.instance_id for i in instances} - unknown,
        unanswered=unanswered,
        prices=_prices(fleet, instances, seen),
    )


def gather_some(
    ports: ReapPorts,
    instances: Iterable[Instance],
    reports: Mapping[str, Report],
    told: Collection[str] = (),
) -> ReapView:
    """The view of these instances, with these reports. It has no strays and no unknown instances.

    `told` are ids whose end EC2's events tell. Without an instance whose claim cannot be read:
    closing it would leave the claim behind.
    """
    asked = tuple(instances)
    ids = [i.instance_id for i in asked if i.instance_id]
    seen, unanswered = _shown(lambda: ports.machines.instances_of(ids))
    view = _some(ports, asked, reports, seen)
    return replace(view, unanswered=unanswered, told=frozenset(told))


def _prices(
    fleet: Fleet, instances: Iterable[Instance], seen: Mapping[str, Ec2Instance]
) -> Prices | None:
    """EC2's prices, where the record of an instance may be closed; else None, without a read."""
    ids = [instance.instance_id for instance in instances if instance.instance_id]
    ends = any(each not in seen or seen[each].state in GOING for each in ids)
    return known_prices(fleet) if ends else None


def gather_ended(
    ports: ReapPorts, instances: Iterable[Instance], reports: Mapping[str, Report]
) -> ReapView:
    """The view of instances that EC2 has terminated, by its answer to their termination."""
    ended = tuple(instances)
    seen = {
        i.instance_id: Ec2Instance(i.instance_id, "terminated", i.key.launch, i.queue, i.created)
        for i in ended
        if i.instance_id
    }
    return _some(ports, ended, reports, seen)


def _shown(
    describe: Callable[[], Sequence[Ec2Instance]],
) -> tuple[Mapping[str, Ec2Instance], Failure | None]:
    """EC2's instances by id, and why there are none: it refuses, throttles or does not answer."""
    answer = side_by_side({"": describe}, at_once=1, seconds=DESCRIBE_SECONDS)[""]
    if isinstance(answer, FAILURES):
        return {}, answer
    return {shown.instance_id: shown for shown in answer}, None


def _some(
    ports: ReapPorts,
    asked: Sequence[Instance],
    reports: Mapping[str, Report],
    seen: Mapping[str, Ec2Instance],
) -> ReapView:
    claims = ports.fleet.claims_of({i.job for i in asked if i.job})
    for instance in asked:
        if instance.job in claims.unreadable:
            log.warning("nothing is decided about %s: its claim cannot be read", instance.key)
    known = tuple(i for i in asked if i.job not in claims.unreadable)
    held = {c.job: c for c in claims}
    claimed = {i.key: held[i.job] for i in known if i.job in held}
    queues = _records(ports.fleet.queue, sorted({i.queue for i in known}))
    return ReapView(
        instances=known,
        seen=seen,
        reports=reports,
        running={k: c for k, c in claimed.items() if c.state in _RUNNING and c.slot == k},
        prices=_prices(ports.fleet, known, seen),
        ended={},
        open_launches=frozenset(),
        strays={},
        unknown=frozenset(),
        keep_failed={name: _keep(queue) for name, queue in queues if queue},
        finished={i.key: claimed[i.key] for i in known if _has_ended(claimed.get(i.key), i)},
    )


def _unlisted(
    fleet: Fleet, listed: Iterable[Instance], seen: Mapping[str, Ec2Instance]
) -> tuple[tuple[Instance, ...], frozenset[str]]:
    """Living EC2 instances that no list of records has: their open records, and the other ids.

    From consistent reads: the index may lag, and lists omit queues without a record. The other
    ids have no record, or a closed one. An id with an unreadable record is in neither: it is no
    stray, and nothing is known that could be decided about it.
    """
    known = {i.instance_id for i in listed}
    living = [s for s in seen.values() if s.state not in GOING]
    suspects = [s.instance_id for s in living if s.instance_id not in known]
    records = fleet.instances_of(suspects)
    for instance_id in sorted(records.unreadable):
        log.warning("nothing is decided about %s: its record cannot be read", instance_id)
    overlooked = tuple(record for record in records if record.state.traits.open)
    explained = {record.instance_id for record in overlooked} | records.unreadable
    return overlooked, frozenset(suspects) - explained


def _open_launches(fleet: Fleet, launches: Iterable[str]) -> frozenset[str]:
    """The launches, out of these ids, without a recorded answer. From consistent reads.

    The index of open launches may lag for longer than a stray lives. A launch and its slots are
    saved and settled together, so its first slot tells. A launch with an unreadable first slot may
    be open, so its instances are no strays.
    """
    asked = {SlotKey(launch, 0) for launch in launches}
    if not asked:
        return frozenset()
    slots = fleet.slots(asked)
    waiting = {slot.key.launch for slot in slots if slot.state.traits.awaits_launch}
    return frozenset(waiting | {key.launch for key in asked if str(key) in slots.unreadable})


def read_reports(mailbox: Mailbox, instances: Iterable[Instance]) -> Mapping[str, Report]:
    """Reports of these instances by mailbox row; rows without a readable report are omitted."""
    rows = [row for i in instances for row in (i.bootstrap_row, i.sandbox_row) if row]
    return mailbox.reports(rows) if rows else {}


def _ended(fleet: Fleet, slots: Iterable[SlotKey]) -> Iterator[tuple[SlotKey, Instance | None]]:
    """Pairs of closed slot and its instance, None without a record; open slots are omitted."""
    for slot, instance in _records(fleet.instance, slots):
        if instance is None or not instance.state.traits.open:
            yield slot, instance


def _finished(fleet: Fleet, instances: Iterable[Instance]) -> Iterator[tuple[SlotKey, Claim]]:
    """Pairs of slot and finished claim, of these instances as far as they still seem busy."""
    for instance in instances:
        if instance.job and instance.state.traits.host_end is HostEnd.ENDS_JOB:
            for _, claim in _records(fleet.claim, [instance.job]):
                if claim is not None and _has_ended(claim, instance):
                    yield instance.key, claim


def _has_ended(claim: Claim | None, instance: Instance) -> bool:
    """Whether the claim is finished and its job ran on this instance."""
    if claim is None or claim.slot != instance.key:
        return False
    return claim.state.traits.agent is Agent.ENDED


def _records(
    read: Callable[[Name], Found | None], names: Iterable[Name]
) -> Iterator[tuple[Name, Found | None]]:
    """Pairs of name and record; names with an unreadable record are logged and omitted."""
    for name in names:
        try:
            yield name, read(name)
        except Misconfigured as error:
            log.warning("nothing is decided about %s: %s", name, error)


def _keep(queue: QueueRecord) -> timedelta:
    try:
        return QueueConfig.from_json(queue.config).keep_failed if queue.config else timedelta(0)
    except Misconfigured:
        return timedelta(0)  # another version wrote the configuration: `provision` will renew it
