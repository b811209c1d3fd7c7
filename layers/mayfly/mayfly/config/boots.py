"""How long a boot of a queue may take, and whether launches are braked because boots fail."""

from __future__ import annotations

from collections.abc import Iterator

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import is_offered
from mayfly.records.brakes import brake_of, brakes_on, is_on, set_up
from mayfly.records.ledger import Brake, Ledger
from mayfly.records.model import Shape

BOOT_MINUTES = 5
BOOT_MINUTES_OF_METAL = 20


def boot_minutes(config: QueueConfig, shape: Shape) -> int:
    """Minutes until the first report of an instance of this shape must have come.

    Metal takes longer by default: its firmware alone needs minutes.
    """
    if config.boot_minutes is not None:
        return config.boot_minutes
    is_metal = any(".metal" in name for name in shape.instance_types)
    return BOOT_MINUTES_OF_METAL if is_metal else BOOT_MINUTES


def brake_for(ledger: Ledger, spec: str, config: QueueConfig, shape: Shape) -> Brake | None:
    """Failures in a row of a shape; None without any since the queue was last changed.

    `spec` is that of the queue's record.
    """
    return brake_of(ledger, shape, set_up(spec, boot_minutes(config, shape)))


def braked(ledger: Ledger, spec: str, config: QueueConfig) -> Iterator[Shape]:
    """Every shape of the present configuration that is braked."""
    for shape, _ in brakes_on(ledger):
        brake = brake_for(ledger, spec, config, shape) if is_offered(config, shape) else None
        if is_on(brake):
            yield shape
