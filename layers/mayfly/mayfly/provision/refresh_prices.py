"""Reads EC2's prices, at most once an hour, for the instance types in use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial

from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.prices import MOST_TYPES, VOLUME, after, is_due, types_in_use
from mayfly.records.changes import Save
from mayfly.records.model import QueueRecord
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side

AT_ONCE = 4
SECONDS = 8.0
"""Longest wait of a tick for all prices. Launches are made before."""


def refresh_prices(
    ports: ProvisionPorts, records: Iterable[QueueRecord], outcome: Outcome, now: datetime
) -> None:
    """Read the prices that are due and keep them. A price that AWS does not tell stays unknown."""
    with outcome.noting("prices"):
        known = ports.fleet.prices()
        types = types_in_use(records)[:MOST_TYPES]
        if not is_due(known, types, now):
            return
        calls: dict[str, Callable[[], str | Mapping[str, str]]] = {
            name: partial(ports.prices.on_demand, name) for name in types
        }
        if types:
            calls[""] = partial(ports.prices.spot, types)
            calls[VOLUME] = ports.prices.volume
        answers = side_by_side(calls, at_once=AT_ONCE, seconds=SECONDS)
        ports.fleet.write([Save(after(known, types, answers, now))])
        for why in sorted({str(each) for each in answers.values() if isinstance(each, Exception)}):
            outcome.warn(f"prices stay unknown: {why}")
