"""Why a queue launches fewer instances than are wanted, for one warning a minute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import matching
from mayfly.config.stalled import REFUSALS
from mayfly.provision.missing import missing_instances
from mayfly.provision.view import ProvisionView

_MINUTE = timedelta(minutes=1)
_LATELY = timedelta(minutes=3)


def held(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[tuple[str, str]]:
    """Cause and text for each limit or back-off that keeps wanted instances from a launch.

    Brakes and refusals have alarms of their own, and `dispatch` tells a pause.
    """
    if config.paused or view.refused:
        return
    view = replace(view, waiting=matching(view.waiting, config))
    lacking = missing_instances(view, config, now)
    missing = {shape: count for shape, count in lacking.items() if count > 0}
    ledger, total = view.ledger, sum(missing.values())
    room = config.max_instances - ledger.live
    if total > max(room, 0):
        limit = f"limits/max-instances is {config.max_instances}, and {ledger.live} are in use"
        yield "instances", f"{total} more instances are wanted; {limit}"
    launched = sum(count for at, count in ledger.recent if now - at < _MINUTE)
    pace = config.max_launches_per_minute
    if total > pace - launched and room > 0:
        limit = f"limits/max-launches-per-minute is {pace}, and {launched} were launched"
        yield "pace", f"{total} more instances are wanted; {limit} within the last minute"
    for shape, count in missing.items():
        retry_at = ledger.retry_at.get(str(shape))
        if retry_at is not None and now < retry_at:
            again = f"the next try is at {retry_at:%H:%M:%S} UTC"
            words = ledger.refusals.get(str(shape), "")
            # EC2's words tell missing capacity from a limit or a type that does not exist.
            said = f" ({words})" if words else ""
            line = f"EC2 launched no {shape}{said}, and {count} more are wanted; {again}"
            yield f"capacity {shape}", line


def lost(view: ProvisionView, now: datetime) -> Iterator[str]:
    """For an alarm: each shape of which EC2 takes every instance back before it is ready."""
    for shape, losses in view.ledger.losses.items():
        if losses.rounds > REFUSALS and now - losses.at < _LATELY:
            yield f"EC2 took back {losses.rounds} launches of {shape} in a row: {losses.cause}"
