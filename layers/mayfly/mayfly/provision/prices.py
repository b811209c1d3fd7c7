"""When EC2's prices are to be read, and for which types; the prices after AWS's answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import in_force
from mayfly.errors import Failure
from mayfly.records.model import QueueRecord
from mayfly.records.prices import Prices

FRESH = timedelta(hours=1)
"""Time between two reads of all prices, whether AWS answered or not."""
SOON = timedelta(minutes=5)
"""Time from a read to the next one for a type that has come into use."""
STALE = timedelta(hours=6)
"""Age at which a spot price that could not be read again is a known price no more."""
VOLUME = "gp3"
"""The name of the volumes' price among the answers; no instance type has this name."""
MOST_TYPES = 60
"""Instance types whose prices are read: a call to the Price List for each."""


def types_in_use(records: Iterable[QueueRecord]) -> tuple[str, ...]:
    """The instance types of the configurations in force, sorted."""
    configs = [in_force(record) for record in records if record.active]
    return tuple(sorted({name for c in configs if c is not None for name in c.instance_types}))


def is_due(known: Prices | None, types: tuple[str, ...], now: datetime) -> bool:
    """Whether prices are to be read now."""
    if known is None:
        return bool(types)
    age = now - known.tried
    return age >= FRESH or (bool(set(types) - set(known.types)) and age >= SOON)


def after(
    known: Prices | None,
    types: tuple[str, ...],
    answers: Mapping[str, str | Mapping[str, str] | Failure],
    now: datetime,
) -> Prices:
    """The prices after AWS's answers, by type, under an empty name of spot, and of `VOLUME`.

    Without an answer the last known list price stays, and a spot price until it is `STALE`.
    """
    before = known if known is not None else Prices(now, ())
    listed = {name: before.on_demand[name] for name in types if name in before.on_demand}
    for name in types:
        if isinstance(price := answers.get(name), str):
            listed.pop(name, None)
            listed.update({name: price} if price else {})
    complete = all(isinstance(answers.get(name), str) for name in types)
    volume = answers.get(VOLUME)
    spot, spot_at = answers.get(""), before.spot_at
    if isinstance(spot, Mapping):
        pools, spot_at = dict(spot), now
    else:
        pools = dict(before.spot) if spot_at is not None and now - spot_at < STALE else {}
    return replace(
        before,
        tried=now,
        types=types,
        on_demand=listed,
        on_demand_at=now if complete else before.on_demand_at,
        spot=pools,
        spot_at=spot_at,
        volume=volume if isinstance(volume, str) else before.volume,
    )
