"""The configuration that is in force for a queue."""

from __future__ import annotations

from dataclasses import replace

from mayfly.config.queue import QueueConfig
from mayfly.records.model import QueueRecord


def in_force(record: QueueRecord) -> QueueConfig | None:
    """The last good configuration; None when there never was one.

    A queue whose stack is gone is paused and wants no warm pool, whatever stands in SSM.
    """
    if not record.config:
        return None
    config = QueueConfig.from_json(record.config)
    return config if record.active else replace(config, paused=True, hot=0)
