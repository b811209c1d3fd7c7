"""Reads the records of a stack: by key and from indexes, never by a scan, and never the Mailbox.

Queues are read side by side, because each answer takes a network's round trip.
"""
# ruff: noqa: D102 - mayfly.ports.Fleet says what each read returns.

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Protocol, TypeVar

from mayfly.config.queue import QueueConfig, in_force
from mayfly.errors import Misconfigured
from mayfly.records.found import Found
from mayfly.records.ledger import Ledger
from mayfly.records.model import (
    Claim,
    Instance,
    Launch,
    Lease,
    QueueRecord,
    SlotKey,
    Stray,
)
from mayfly.records.prices import Prices
from mayfly.records.standing import LeftAlone, Standing
from mayfly.records.states import (
    OPEN_CLAIMS,
    OPEN_INSTANCES,
    ClaimState,
    InstanceState,
)
from mayfly.records.why import Why, in_order
from mayfly_cli.operations.threads import begun

Given = TypeVar("Given")
Read = TypeVar("Read")


class Records(Protocol):
    """The reads of `mayfly.ports.Fleet` that the tool uses. There is no write."""

    def queues(self) -> Sequence[QueueRecord]: ...
    def queue(self, queue: str) -> QueueRecord | None: ...
    def claims(self, queue: str, states: Collection[ClaimState]) -> Sequence[Claim]: ...
    def claim(self, job: str) -> Claim | None: ...
    def claims_of(self, jobs: Collection[str]) -> Found[Claim]: ...
    def instances(self, queue: str, states: Collection[InstanceState]) -> Sequence[Instance]: ...
    def instance(self, key: SlotKey) -> Instance | None: ...
    def instance_of(self, instance_id: str) -> Instance | None: ...
    def slots(self, keys: Collection[SlotKey]) -> Found[Instance]: ...
    def launches(self, queue: str) -> Sequence[Launch]: ...
    def ledger(self, queue: str) -> Ledger | None: ...
    def standings(self) -> Sequence[Standing]: ...
    def lease(self) -> Lease | None: ...
    def strays(self) -> Sequence[Stray]: ...
    def prices(self) -> Prices | None: ...


@dataclass(frozen=True, slots=True)
class QueueView:
    """What the records say of one queue."""

    record: QueueRecord
    config: QueueConfig | None
    """The configuration in force; None for a queue that never had a good configuration."""
    claims: tuple[Claim, ...] = ()
    """Open claims."""
    instances: tuple[Instance, ...] = ()
    """Open instances."""
    launches: tuple[Launch, ...] = ()
    """Launches without EC2's answer."""
    ledger: Ledger | None = None
    standings: tuple[Standing, ...] = ()
    """What `dispatch` and `provision` said of the queue last."""

    @property
    def reasons(self) -> tuple[Why, ...]:
        """Everything that holds the queue back, the gravest first."""
        return in_order(why for each in self.standings for why in each.reasons)

    @property
    def left(self) -> tuple[LeftAlone, ...]:
        """Jobs that the queue does not take."""
        return tuple(job for each in self.standings for job in each.left)

    @property
    def queue(self) -> str:
        """The queue's key."""
        return self.record.queue


@dataclass(frozen=True, slots=True)
class StackView:
    """What the records say of a stack."""

    stack: str
    region: str
    now: datetime
    """When the reads began."""
    queues: tuple[QueueView, ...]
    lease: Lease | None = None


def read_stack(
    records: Records, stack: str, region: str, now: datetime, queues: Sequence[QueueRecord]
) -> StackView:
    """The view of these queues, and of the lease."""
    leases: list[Lease | None] = []
    views = _read_queues(records, queues, lambda: leases.append(records.lease()))
    return StackView(stack, region, now, views, leases[0])


def read_whole_queue(records: Records, record: QueueRecord) -> QueueView:
    """As `read_queue`, with what the functions say of the queue: one query more."""
    (view,) = _read_queues(records, [record])
    return view


def _read_queues(
    records: Records, queues: Sequence[QueueRecord], *others: Callable[[], None]
) -> tuple[QueueView, ...]:
    """The views of the queues, with what the functions say of them; `others` run beside."""
    said: list[Standing] = []
    reads: list[Callable[[], QueueView | None]] = [
        lambda: said.extend(records.standings()),
        *others,
        *(partial(read_queue, records, record) for record in queues),
    ]
    views = [view for view in side_by_side(lambda read: read(), reads) if view is not None]
    return tuple(
        replace(view, standings=tuple(each for each in said if each.queue == view.queue))
        for view in views
    )


def read_queue(records: Records, record: QueueRecord) -> QueueView:
    """The view of one queue: three queries of the index `open`, and the ledger by its key.

    Without standings, which one query reads for all queues.
    """
    queue = record.queue
    return QueueView(
        record=record,
        config=configured(record),
        claims=tuple(records.claims(queue, OPEN_CLAIMS | {ClaimState.FAILED, ClaimState.FINISHED})),
        instances=tuple(records.instances(queue, OPEN_INSTANCES)),
        launches=tuple(records.launches(queue)),
        ledger=records.ledger(queue),
    )


def configured(record: QueueRecord) -> QueueConfig | None:
    """The configuration in force; None where the record has none that the tool can read."""
    try:
        return in_force(record)
    except Misconfigured:
        return None


def newest_first(instances: Iterable[Instance]) -> list[Instance]:
    """The instances by the time of their launch, the newest first."""
    return sorted(instances, key=lambda each: (each.created, str(each.key)), reverse=True)


def claims_once(*reads: Iterable[Claim]) -> tuple[Claim, ...]:
    """Each claim once, as the last read has it: a claim may close between two reads."""
    return tuple({claim.job: claim for claim in chain(*reads)}.values())


def instances_once(*reads: Iterable[Instance]) -> tuple[Instance, ...]:
    """Each instance once, as the last read has it."""
    return tuple({instance.key: instance for instance in chain(*reads)}.values())


def launches_once(*reads: Iterable[Launch]) -> tuple[Launch, ...]:
    """Each launch once, as the last read has it."""
    return tuple({launch.id: launch for launch in chain(*reads)}.values())


def side_by_side(call: Callable[[Given], Read], given: Sequence[Given]) -> list[Read]:
    """The results in the order of what was given. Raises the first error that a call raises."""
    futures = begun([partial(call, each) for each in given])
    ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in ended:
        if (error := future.exception()) is not None:
            raise error
    return [future.result() for future in futures]
