"""Shapes that get no instances at present, and launches without EC2's answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from mayfly.config.boots import brake_for
from mayfly.config.queue import QueueConfig
from mayfly.records.brakes import is_on
from mayfly.records.ledger import Ledger
from mayfly.records.model import Instance, Shape
from mayfly.records.refusals import losses_of, misses_of

REFUSALS = 2
"""Launches in a row for which EC2 had no instance until a shape is stalled."""

UNANSWERED = timedelta(seconds=15)
"""Age of a slot from which on a missing answer of EC2 is told. EC2 answers within seconds."""


def is_unanswered(instance: Instance, now: datetime) -> bool:
    """Whether EC2 has had time to answer the launch of a slot, and has not."""
    return instance.state.traits.awaits_launch and now - instance.created >= UNANSWERED


def is_stalled(shape: Shape, ledger: Ledger, spec: str, config: QueueConfig, now: datetime) -> bool:
    """Whether no launch of a shape succeeds at present: the trouble has lasted for some tries.

    `spec` is that of the queue's record. Refusals and losses of long ago say nothing of today.
    """
    return (
        is_on(brake_for(ledger, spec, config, shape))
        or is_lost(shape, ledger, now)
        or misses_of(ledger, shape, now) >= REFUSALS
    )


def is_lost(shape: Shape, ledger: Ledger, now: datetime) -> bool:
    """Whether EC2 takes every instance of a shape back before it is ready."""
    lost = losses_of(ledger, shape, now)
    return lost is not None and lost.rounds > REFUSALS


def stalled_shapes(
    shapes: Iterable[Shape], ledger: Ledger, spec: str, config: QueueConfig, now: datetime
) -> frozenset[Shape]:
    """The shapes, of the given ones, that get no instances at present."""
    return frozenset(shape for shape in shapes if is_stalled(shape, ledger, spec, config, now))
