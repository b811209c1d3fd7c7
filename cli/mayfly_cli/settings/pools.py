"""The size of a pool, for good or until a time that is written into the parameter itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from mayfly.records.states import InstanceState, Supply, instance_states
from mayfly.records.why import OF_JOBS, Why
from mayfly.tick.prices import known_prices
from mayfly_cli.ends import UsageError
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.queues import live_queue
from mayfly_cli.operations.reading import QueueView, read_whole_queue
from mayfly_cli.operations.reasons import told
from mayfly_cli.operations.screen import Document, line
from mayfly_cli.operations.words import at, count
from mayfly_cli.past.volumes import MONTH, gib_of
from mayfly_cli.settings.changing import Changed, change
from mayfly_cli.settings.price import Price, hot_price, volume_price

_SUPPLY = instance_states(lambda instance: instance.supply is not Supply.NONE)
_UNTIL = re.compile(r"\s*until\s")


@dataclass(frozen=True, slots=True)
class Pooled:
    """A change of a pool."""

    change: Changed
    before: int
    """Size that was in force."""
    size: int
    until: datetime | None
    then: str
    """What holds after the end; empty without an end."""
    now: datetime
    launches: int
    """Instances that are missing until the pool has its size."""
    usd: Decimal | None
    """What these instances, or the volumes of these stopped instances, cost until the end; for an
    hour or a month where there is no end. None for an unknown price."""
    price: Price
    reasons: tuple[Why, ...] = ()
    """What holds back launches or pools of the queue, as it was said last."""

    @property
    def needs_person(self) -> bool:
        """As of the change."""
        return self.change.needs_person

    def document(self) -> Document:
        """The change and its price in one line, then as for `set`; last what holds up launches."""
        end = "" if self.until is None else f" until {at(self.until, self.now)}, then {self.then}"
        coming = count(self.launches, "launch", "launches")
        cost = f", {self._cost()}" if self.launches else ""
        change = f"{self.change.queue}: {self.before} -> {self.size}{end} ({coming}{cost})"
        source = (line(self.price.source, indent=2),) if self.launches else ()
        held = (line("now       ", *told(each, self.now), indent=2) for each in self.reasons)
        return (line(change), *source, *self.change.document(), *held)

    def _cost(self) -> str:
        if self.usd is None:
            return "price not known"
        lasting = " a month" if self.price.per == MONTH else " an hour"
        return f"about ${self.usd:.2f}{'' if self.until is not None else lasting}"


def schedule_text(present: str, size: int, until: datetime) -> str:
    """The schedule with this size until the time, and the present one after it.

    A former `until` is replaced: the last command counts.
    """
    return f"{_without_until(present)}; until {until:%Y-%m-%dT%H:%MZ} = {size}"


def pool(
    connection: Connection, queue: str, size: int, lasting: timedelta | None, *, stopped: bool
) -> Pooled:
    """Give the queue's pool this size, for good or for a while.

    Raises:
        UsageError: as `change`; and for a pool with a schedule, where no time is given.
    """
    view = read_whole_queue(connection.records, live_queue(connection.records, queue))
    name = "pool/stopped" if stopped else "pool/hot"
    present = connection.parameters.one(queue, name)
    text = present.value.strip() if present is not None else "0"
    now, until, value = connection.clock(), None, str(size)
    if lasting is not None:
        until = _whole_minute(now + lasting)
        value = schedule_text(text, size, until)
    elif ";" in text:
        raise UsageError(
            f'{name} is a schedule, "{text}": give --for, or replace it: '
            f"mayfly set {queue} {name} {size}"
        )
    launches = max(size - _supplied(view, stopped=stopped), 0)
    price = price_of(connection, view, stopped=stopped)
    made = change(connection, queue, name, value, was=None if present is None else present.value)
    return Pooled(
        change=made,
        before=_in_force(view, now, stopped=stopped),
        size=size,
        until=until,
        then="" if until is None else _without_until(text),
        now=now,
        launches=launches,
        usd=price.of(launches, until - now if until is not None else price.per),
        price=price,
        reasons=tuple(each for each in view.reasons if each.code not in OF_JOBS),
    )


def _supplied(view: QueueView, *, stopped: bool) -> int:
    held = {InstanceState.STOPPING, InstanceState.STOPPED}
    wanted = held if stopped else _SUPPLY
    return sum(1 for each in view.instances if each.state in wanted)


def _in_force(view: QueueView, now: datetime, *, stopped: bool) -> int:
    if view.config is None:
        return 0
    return (view.config.stopped if stopped else view.config.hot).value(now)


def price_of(connection: Connection, view: QueueView, *, stopped: bool = False) -> Price:
    """The price of an instance of the queue's pool, or of a stopped instance's volume."""
    prices = known_prices(connection.records)
    if stopped:
        return volume_price(gib_of(view, connection.stack), prices)
    if view.config is None:
        return Price(None, timedelta(hours=1), "the queue has no good configuration")
    zones = tuple(zone for _, zone in view.record.zones)
    return hot_price(view.config, view.instances, prices, zones)


def _without_until(text: str) -> str:
    parts = [part.strip() for part in text.split(";")]
    return "; ".join(part for part in parts if part and not _UNTIL.match(f"{part} ")) or "0"


def _whole_minute(moment: datetime) -> datetime:
    whole = moment.replace(second=0, microsecond=0)
    return whole if whole == moment else whole + timedelta(minutes=1)
