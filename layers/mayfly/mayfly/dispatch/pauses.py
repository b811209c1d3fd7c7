"""Pauses at Buildkite, recorded for `provision`, which never asks Buildkite."""

from __future__ import annotations

from dataclasses import replace

from mayfly.dispatch.view import LastTick, QueueView
from mayfly.records.changes import Save
from mayfly.records.model import QueueRecord
from mayfly.tick.actions import WriteRecords


def new_pause(record: QueueRecord, view: QueueView, last: LastTick) -> WriteRecords | None:
    """The write of a pause that began or ended at Buildkite; None where the record says the same.

    One write for each version of the record: records are read once a second, by a lagging index,
    so an earlier tick may have written what this one does not see yet.
    """
    if view.listing is None or view.listing.paused == record.paused_at_buildkite:
        return None
    if record.version == last.pause_written:
        return None
    paused = view.listing.paused
    what = "paused" if paused else "paused no more"
    change = Save(replace(record, paused_at_buildkite=paused))
    return WriteRecords((change,), f"queue {record.queue} is {what} at Buildkite")
