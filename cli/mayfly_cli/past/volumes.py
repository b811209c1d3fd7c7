"""What volumes of stopped instances cost. Pure.

A stopped instance costs its volume alone: EC2 bills no time in `stopping` and `stopped` (source:
EC2 user guide, "Instance lifecycle"). EBS bills each second of a GiB, of a month of 30 days
(source: EBS pricing, examples for gp3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from mayfly.config.infra import Infra
from mayfly.errors import Misconfigured
from mayfly.records.model import Instance
from mayfly.records.states import InstanceState
from mayfly_cli.operations.reading import QueueView

MONTH = timedelta(days=30)
_CENTS = Decimal("0.0001")
_AT_REST = frozenset({InstanceState.STOPPING, InstanceState.STOPPED})


@dataclass(frozen=True, slots=True)
class Volumes:
    """Sizes and price of root volumes."""

    gib: Mapping[str, int] = field(default_factory=dict)
    """GiB by queue; queues whose stacks do not publish it have no entry."""
    price: str = ""
    """USD for a GiB and month; empty for an unknown price."""


@dataclass(frozen=True, slots=True)
class StoppedPool:
    """The volumes of stopped instances in some time."""

    instances: int
    hours: float
    """In which instances were stopped."""
    gib: int
    """Of the volumes of instances that are stopped now."""
    gib_months: float
    usd: Decimal | None
    """None where price or size is not known."""
    usd_a_gib_month: str
    price_source: str
    unsized: tuple[str, ...]
    """Queues whose volumes have no known size: their stacks are of an earlier version."""

    def __str__(self) -> str:
        """One line for a screen."""
        if not self.instances:
            return "stopped pool: none"
        size = f"{self.gib} GiB now, {self.gib_months:.2f} GiB-months"
        if self.unsized:
            size = f"size of volumes not known of {', '.join(self.unsized)}"
        cost = "cost not known" if self.usd is None else f"${self.usd:.2f}"
        price = f"${self.usd_a_gib_month} a GiB and month" if self.usd_a_gib_month else "no price"
        return (
            f"stopped pool: volumes {cost} · {self.hours:.1f} hours, {size} · "
            f"gp3 {price}, {self.price_source}"
        )


UNKNOWN = Volumes()


def gib_of(queue: QueueView, stack: str) -> int:
    """GiB of the root volume of the queue's instances; 0 where its stack does not publish it."""
    try:
        return Infra.parse(queue.queue, stack, queue.record.infra).root_volume_gib
    except Misconfigured:
        return 0


def sizes(queues: Iterable[QueueView], stack: str) -> dict[str, int]:
    """Known sizes by queue."""
    return {each.queue: gib for each in queues if (gib := gib_of(each, stack))}


def at_rest(
    instance: Instance, first: datetime, last: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The times between `first` and `last` in which the instance was stopping or stopped."""
    ends = [*(step.at for step in instance.history[1:]), last]
    for step, end in zip(instance.history, ends, strict=False):
        begin, over = max(step.at, first), min(end, last)
        if step.state in _AT_REST and begin < over:
            yield begin, over


def stopped_pool(
    spans: Sequence[tuple[Instance, timedelta]], volumes: Volumes, region: str
) -> StoppedPool:
    """The volumes of instances that were stopped for so long."""
    unsized = sorted({each.queue for each, _ in spans} - volumes.gib.keys())
    months = sum(
        (_exact(span) * volumes.gib.get(i.queue, 0) / _exact(MONTH) for i, span in spans),
        Decimal(),
    )
    known = bool(volumes.price) and not unsized
    return StoppedPool(
        instances=len(spans),
        hours=round(sum((span for _, span in spans), timedelta()) / timedelta(hours=1), 3),
        gib=sum(volumes.gib.get(each.queue, 0) for each, _ in spans if each.state in _AT_REST),
        gib_months=round(float(months), 4),
        usd=(months * Decimal(volumes.price or 0)).quantize(_CENTS) if known or not spans else None,
        usd_a_gib_month=volumes.price,
        price_source=f"list price, {region}",
        unsized=tuple(unsized),
    )


def _exact(span: timedelta) -> Decimal:
    return Decimal(str(round(span.total_seconds(), 3)))
