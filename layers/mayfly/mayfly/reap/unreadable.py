"""Instances whose records cannot be read: left alone, but not for ever. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from mayfly.reap.actions import TerminateInstances
from mayfly.reap.view import ReapView

LONGEST_LIFE = timedelta(days=16)
"""No instance lives longer: `pool/max-idle-hours` and `job/max-minutes` are a week at most."""


def overaged(view: ReapView, now: datetime) -> Iterator[TerminateInstances]:
    """Terminate instances with an unreadable record that are older than any job can last.

    Until then such an instance may run a job, and an alarm names its row.
    """
    old = tuple(
        sorted(id_ for id_ in view.unreadable if now - view.seen[id_].launched_at > LONGEST_LIFE)
    )
    if old:
        days = f"the instances are older than {LONGEST_LIFE.days} days"
        yield TerminateInstances(old, f"{days}, and their records cannot be read")
