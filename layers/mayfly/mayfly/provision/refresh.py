"""Updates the queue records from SSM and IAM: every function's source of configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from mayfly.answers import Parameter
from mayfly.config.infra import Infra
from mayfly.config.paths import unknown_paths
from mayfly.config.read import ControlPlane, queue_record
from mayfly.config.specs import causes
from mayfly.errors import Conflict, Misconfigured
from mayfly.ports import Fleet
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.read_roles import verdicts
from mayfly.records.about import about, fields
from mayfly.records.audit import SpecChange
from mayfly.records.changes import Drop, Save
from mayfly.records.model import QueueRecord, saved
from mayfly.records.states import CLOSED_INSTANCES, OPEN_CLAIMS
from mayfly.tick.actions import WriteRecords
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side

ZONES_AT_ONCE = 8
ZONES_SECONDS = 5.0
"""Longest wait of a tick for the zones of subnets."""


def refresh(
    ports: ProvisionPorts, outcome: Outcome, now: datetime
) -> tuple[list[QueueRecord], Mapping[str, Parameter]]:
    """Update the queue records from SSM and IAM.

    Returns the records of active and of busy former queues, and the operators' parameters.

    The records are the one source of configuration for every other function: all functions act on
    the same values, and on the last good values when SSM holds bad ones. The record of a queue
    that is no longer published is dropped once its instances and claims are gone. Raises
    Misconfigured when no bundle is published.
    """
    infra = ports.parameters.under(f"/mayfly-infra/{ports.stack}")
    written = ports.parameters.under(f"/mayfly/{ports.stack}")
    control = ControlPlane(ports.stack, _bundle(ports.stack, infra), ports.sizes)
    known = {record.queue: record for record in ports.fleet.queues()}
    pairs, records = list[tuple[QueueRecord | None, QueueRecord]](), list[QueueRecord]()
    published = dict(_published(ports.stack, infra))
    for queue, text in published.items():
        # A queue with an unreadable record is left out; the others go on.
        with outcome.noting(f"record of queue {queue}", fields(queues=[queue])):
            old = known.pop(queue, None) or ports.fleet.queue(queue)
            mine = _below(f"/mayfly/{ports.stack}/queues/{queue}/", written)
            new = queue_record(old, queue, text, mine, control)
            pairs.append((old, new))
    zones = _zones(ports, pairs, outcome)
    roles = verdicts(ports, pairs, outcome, now)
    for old, new in pairs:
        with outcome.noting(f"record of queue {new.queue}", fields(queues=[new.queue])):
            placed = replace(new, zones=zones[new.queue], roles=roles[new.queue])
            told = _spec_change(old, placed, control, now)
            records.append(_save_record(ports.fleet, old, placed, outcome, told))
    for wrong in unknown_paths(ports.stack, written, list(published)):
        outcome.problem(str(wrong))
    for gone in known.values():
        records.extend(_former_queue(ports.fleet, gone, outcome))
    return records, written


def _former_queue(fleet: Fleet, gone: QueueRecord, outcome: Outcome) -> Iterator[QueueRecord]:
    """The record of a queue without its stack while the queue is busy; dropped after that."""
    with outcome.noting(f"record of queue {gone.queue}", about([gone])):
        if gone.active or _is_busy(fleet, gone.queue):
            yield _save_record(fleet, gone, replace(gone, active=False), outcome)
        else:
            drop = WriteRecords((Drop(gone),), f"queue {gone.queue} is gone")
            outcome.perform([drop], lambda action: fleet.write(action.changes))


def _bundle(stack: str, infra: Mapping[str, Parameter]) -> str:
    """SHA-256 of the instances' bundle. Raises Misconfigured when the bundle is not published."""
    name = f"/mayfly-infra/{stack}/bundle"
    try:
        return str(json.loads(infra[name].value)["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(f"{name} does not name a bundle: {error!r}") from error


def _zones(
    ports: ProvisionPorts,
    pairs: Iterable[tuple[QueueRecord | None, QueueRecord]],
    outcome: Outcome,
) -> dict[str, tuple[tuple[str, str], ...]]:
    """By queue: the subnets with their zones. EC2 is asked only while a subnet's zone is not known.

    CloudFormation gives a template no way from a subnet's id to its zone. Without EC2's answer the
    known zones stay, and the next tick that reads parameters asks again.
    """
    zones: dict[str, tuple[tuple[str, str], ...]] = {}
    calls: dict[str, Callable[[], Mapping[str, str]]] = {}
    wanted: dict[str, tuple[str, ...]] = {}
    for old, new in pairs:
        known = dict(old.zones) if old is not None else {}
        try:
            subnets = tuple(dict.fromkeys(Infra.parse(new.queue, ports.stack, new.infra).subnets))
        except Misconfigured:  # The record's problems say so already.
            zones[new.queue] = tuple(known.items())
            continue
        zones[new.queue] = tuple((subnet, known[subnet]) for subnet in subnets if subnet in known)
        if len(zones[new.queue]) < len(subnets):
            wanted[new.queue] = subnets
            calls[new.queue] = partial(ports.machines.zones, subnets)
    found = side_by_side(calls, at_once=ZONES_AT_ONCE, seconds=ZONES_SECONDS)
    for queue, subnets in wanted.items():
        about_queue = fields(queues=[queue])
        answer = found[queue]
        if not isinstance(answer, Mapping):
            outcome.failed(f"zones of the subnets of queue {queue}", answer, about_queue)
            continue
        for missing in [subnet for subnet in subnets if subnet not in answer]:
            outcome.problem(f"queue {queue}: there is no subnet {missing}", about_queue)
        zones[queue] = tuple((s, answer[s]) for s in subnets if s in answer)
    return zones


def _is_busy(fleet: Fleet, queue: str) -> bool:
    # The index may lag, and no function reads the rows of a queue without a record.
    ledger = fleet.ledger(queue)
    return (
        (ledger is not None and ledger.live > 0)
        or bool(fleet.claims(queue, OPEN_CLAIMS))
        or bool(fleet.instances(queue, CLOSED_INSTANCES))
    )


def _published(stack: str, infra: Mapping[str, Parameter]) -> Iterator[tuple[str, str]]:
    prefix = f"/mayfly-infra/{stack}/queues/"
    for name in sorted(infra):
        if name.startswith(prefix):
            yield name.removeprefix(prefix), infra[name].value


def _below(prefix: str, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    return {n.removeprefix(prefix): p for n, p in parameters.items() if n.startswith(prefix)}


def _spec_change(
    old: QueueRecord | None, new: QueueRecord, control: ControlPlane, now: datetime
) -> tuple[SpecChange, ...]:
    """The change of the queue's spec; none for a queue that had none before."""
    if old is None or not old.spec or old.spec == new.spec:
        return ()
    return (SpecChange(new.queue, now, old.spec, new.spec, causes(old, new, control)),)


def _save_record(
    fleet: Fleet,
    old: QueueRecord | None,
    new: QueueRecord,
    outcome: Outcome,
    told: tuple[SpecChange, ...] = (),
) -> QueueRecord:
    """Save a record that has changed, with what is told of the change, in one write."""
    if new == old:
        return new
    try:
        fleet.write([Save(new), *map(Save, told)])
    except Conflict as error:
        outcome.failed(f"record of queue {new.queue}", error, about([new]))
        return new
    outcome.configured += 1
    if old is None or (old.config, old.warnings) != (new.config, new.warnings):
        for line in new.warnings:
            outcome.warn(f"queue {new.queue}: {line}", about([new]))
    return saved(new)
