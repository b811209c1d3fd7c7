"""Reads closed records of some time, queue by queue, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mayfly.records.model import Claim, Instance
from mayfly.records.pages import read_all
from mayfly.tick.prices import known_prices
from mayfly_cli.operations.connection import Connection
from mayfly_cli.operations.reading import QueueView, claims_once, instances_once, side_by_side
from mayfly_cli.operations.stack_view import view_of
from mayfly_cli.past.volumes import UNKNOWN, Volumes, sizes

MOST = 20_000
"""Records of a kind that a command reads of one queue."""


@dataclass(frozen=True, slots=True)
class Past:
    """Claims and instances of some time, with those that are still open."""

    stack: str
    region: str
    start: datetime
    now: datetime
    claims: tuple[Claim, ...]
    instances: tuple[Instance, ...]
    complete: bool
    """Whether these are all; False where a queue has more than the command reads."""
    volumes: Volumes = UNKNOWN


def read_past(connection: Connection, since: timedelta, queue: str | None = None) -> Past:
    """The records since then. Raises UsageError for an unknown queue."""
    view = view_of(connection, queue)
    start, history = view.now - since, connection.history

    def ended(queue: QueueView) -> tuple[tuple[Claim, ...], tuple[Instance, ...], bool]:
        name = queue.queue
        claims = read_all(lambda at: history.claims(name, start, view.now, at), MOST)
        instances = read_all(lambda at: history.instances(name, start, view.now, at), MOST)
        complete = claims.complete and instances.complete
        return claims.records, instances.records, complete

    closed = side_by_side(ended, view.queues)
    return Past(
        stack=view.stack,
        region=view.region,
        start=start,
        now=view.now,
        claims=claims_once(
            *(each.claims for each in view.queues), *(claims for claims, _, _ in closed)
        ),
        instances=instances_once(
            *(each.instances for each in view.queues), *(instances for _, instances, _ in closed)
        ),
        complete=all(whole for _, _, whole in closed),
        volumes=volumes_of(connection, view.queues),
    )


def volumes_of(connection: Connection, queues: Iterable[QueueView]) -> Volumes:
    """Sizes of the queues' volumes, and their price as `provision` read it last."""
    known = known_prices(connection.records)
    return Volumes(sizes(queues, connection.stack), known.volume if known is not None else "")
