"""Shapes that get no instances at present, and launches without EC2's answer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from mayfly.config.boots import why_no_launch
from mayfly.config.queue import QueueConfig
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


def why_stalled(shape: Shape, ledger: Ledger, spec: str, config: QueueConfig, now: datetime) -> str:
    """Why no launch of a shape succeeds at present; empty when launches may succeed.

    `spec` is that of the queue's record. Refusals and losses of long ago say nothing of today.
    """
    if braked := why_no_launch(ledger, spec, config, shape):
        return braked
    lost = losses_of(ledger, shape, now)
    if lost is not None and lost.rounds > REFUSALS:
        return f"EC2 took back the instances of {lost.rounds} launches of {shape}: {lost.cause}"
    misses = misses_of(ledger, shape, now)
    if misses < REFUSALS:
        return ""
    words = ledger.refusals.get(str(shape), "")
    said = f", the last one with {words}" if words else ""
    return f"EC2 refused the last {misses} launches of {shape}{said}"


def stalled_shapes(
    shapes: Iterable[Shape], ledger: Ledger, spec: str, config: QueueConfig, now: datetime
) -> frozenset[Shape]:
    """The shapes, of the given ones, that get no instances at present."""
    return frozenset(shape for shape in shapes if why_stalled(shape, ledger, spec, config, now))
