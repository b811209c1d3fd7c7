"""What instances cost, by the price of each instance at its launch. Pure.

EC2's list price, and the list price of the volumes of stopped instances: no other volumes, no
traffic, no discounts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from mayfly.records.model import Claim, Instance
from mayfly_cli.operations.screen import Document, Mood, Span, columns, line, table
from mayfly_cli.past.reading import Past
from mayfly_cli.past.volumes import StoppedPool, at_rest, stopped_pool

_CENTS = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Row:
    """The jobs of one pipeline or queue."""

    name: str
    jobs: int
    hours: float
    """Of instances, from the binding of a job to the instance's end."""
    usd: Decimal | None
    """Of the instances with a known price; None where no instance has one."""
    spot: float
    """Share of the hours on spot instances, from 0 to 1."""
    unpriced_hours: float = 0.0
    """Hours of instances without a known price, which `usd` leaves out."""

    @property
    def spent(self) -> str:
        """The cost in words: `$3.92`, `at least $3.92`, or `unknown`."""
        if self.usd is None:
            return "unknown"
        return f"{'at least ' if self.unpriced_hours else ''}${self.usd:.2f}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent in some time."""

    stack: str
    since: datetime
    by: str
    currency: str
    prices: str
    rows: tuple[Row, ...]
    idle_pool_usd: Decimal
    """Boots, and time in which running instances waited for a job."""
    stopped_pool: StoppedPool
    unpriced_hours: float
    """Hours of instances without a known price; no sum has these hours."""
    complete: bool

    @property
    def needs_person(self) -> bool:
        """Never: figures are no verdict."""
        return False

    def document(self) -> Document:
        """One row for each name, then what no job had."""
        rows = [
            (
                each.name,
                str(each.jobs),
                f"{each.hours:.1f}",
                each.spent,
                f"{each.spot:.0%}",
            )
            for each in self.rows
        ]
        heads = columns(self.by.upper(), ">JOBS", ">HOURS", ">COST", ">SPOT")
        idle = (
            f"boots, and instances that waited for a job: ${self.idle_pool_usd:.2f} · {self.prices}"
        )
        found: Document = (table(heads, rows), line(idle), line(str(self.stopped_pool)))
        if self.unpriced_hours:
            text = f"{self.unpriced_hours:.2f} hours have no known price, and are in no sum"
            found += (line(Span(text, Mood.NOTICE)),)
        if not self.complete:
            found += (line(Span("there is more: give a shorter --since", Mood.NOTICE)),)
        return found


def cost_of(past: Past, by: str) -> Cost:
    """The cost by `pipeline` or `queue`, of the time since the start alone."""
    claims = {claim.job: claim for claim in past.claims}
    groups: dict[str, list[Instance]] = {}
    idle, unpriced = Decimal(), timedelta()
    for each in past.instances:
        if each.instance_id is None:
            continue
        bound = _bound(each)
        if each.price:
            idle += _usd(each, _billed(each, each.created, bound or _end(each, past), past))
        else:
            unpriced += _whole(each, past)
        if bound is not None:
            groups.setdefault(_name(each, claims, by), []).append(each)
    return Cost(
        stack=past.stack,
        since=past.start,
        by=by,
        currency="USD",
        prices=f"list prices at the launch, EC2 alone, {past.region}",
        rows=tuple(
            sorted(
                (_row(n, i, past) for n, i in groups.items()), key=lambda r: (-(r.usd or 0), r.name)
            )
        ),
        idle_pool_usd=idle.quantize(_CENTS),
        stopped_pool=stopped_pool(_at_rest(past), past.volumes, past.region),
        unpriced_hours=round(unpriced / timedelta(hours=1), 3),
        complete=past.complete,
    )


def _name(instance: Instance, claims: dict[str, Claim], by: str) -> str:
    if by == "queue":
        return instance.queue
    claim = claims.get(instance.job or "")
    return claim.pipeline if claim is not None and claim.pipeline else "(unknown pipeline)"


def _row(name: str, instances: Iterable[Instance], past: Past) -> Row:
    every = list(instances)
    spans = [_billed(each, _bound(each) or each.created, _end(each, past), past) for each in every]
    whole = sum(spans, timedelta())
    spot = sum((s for s, i in zip(spans, every, strict=True) if i.market == "spot"), timedelta())
    priced = [_usd(i, s) for i, s in zip(every, spans, strict=True) if i.price]
    unpriced = sum((s for s, i in zip(spans, every, strict=True) if not i.price), timedelta())
    return Row(
        name=name,
        jobs=len(every),
        hours=round(whole / timedelta(hours=1), 3),
        usd=sum(priced, Decimal()).quantize(_CENTS) if priced else None,
        spot=round(spot / whole, 3) if whole else 0.0,
        unpriced_hours=round(unpriced / timedelta(hours=1), 3),
    )


def _bound(instance: Instance) -> datetime | None:
    """When the instance got its job; None for an instance that never had a job."""
    steps = [step.at for step in instance.history if step.state == "assigned"]
    return steps[0] if steps and instance.job is not None else None


def _end(instance: Instance, past: Past) -> datetime:
    return past.now if instance.state.traits.open else instance.since


def _whole(instance: Instance, past: Past) -> timedelta:
    return _billed(instance, instance.created, _end(instance, past), past)


def _at_rest(past: Past) -> list[tuple[Instance, timedelta]]:
    """How long each instance was stopped, of those that were."""
    spans = ((i, _resting(i, i.created, _end(i, past), past)) for i in past.instances)
    return [(instance, span) for instance, span in spans if span]


def _billed(instance: Instance, first: datetime, last: datetime, past: Past) -> timedelta:
    """The part of a time that lies after the start, and for which EC2 bills the instance."""
    return _span(first, last, past) - _resting(instance, first, last, past)


def _resting(instance: Instance, first: datetime, last: datetime, past: Past) -> timedelta:
    times = at_rest(instance, max(first, past.start), last)
    return sum((end - begin for begin, end in times), timedelta())


def _span(first: datetime, last: datetime, past: Past) -> timedelta:
    """The part of a time that lies after the start."""
    return max(last - max(first, past.start), timedelta())


def _usd(instance: Instance, span: timedelta) -> Decimal:
    # EC2 bills Linux instances by the second, and at least a minute. Source: EC2 pricing pages.
    seconds = Decimal(str(round(span.total_seconds(), 3)))
    return Decimal(instance.price) * seconds / 3600
