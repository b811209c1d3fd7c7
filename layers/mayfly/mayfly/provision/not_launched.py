"""Why instances that are wanted are not launched: one reason for each shape that lacks some."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import named
from mayfly.config.troubles import trouble
from mayfly.provision.actions import RecordLaunch
from mayfly.provision.missing import missing_instances
from mayfly.provision.shares import LIMITED, may_launch, recent_launches
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import Ledger
from mayfly.records.model import Shape
from mayfly.records.why import Code, Why, why


def not_launched(
    view: ProvisionView, config: QueueConfig, launch: RecordLaunch | None, now: datetime
) -> tuple[Why, ...]:
    """Why there are no more launches than this one of the same tick, and why there is none."""
    launched: dict[Shape, int] = {}
    lacking = missing_instances(view, config, now)
    if launch is not None:
        launched[launch.launch.shape] = launch.launch.slots
        view = replace(view, ledger=launch.ledger)
    short = [shape for shape, count in lacking.items() if count > launched.get(shape, 0)]
    return tuple(_why_not(view, config, shape, now) for shape in short)


def refused_roles(view: ProvisionView, now: datetime) -> Why:
    """Why a queue launches nothing whose roles are refused. Names of policies are no page's."""
    text = "no instance may have the queue's roles"
    return why(Code.ROLES_REFUSED, text, now, detail=view.refused)


def limit(ledger: Ledger, config: QueueConfig, now: datetime) -> Why | None:
    """The limit that stops every launch of the queue at present; None while there is room."""
    queue, most, pace = config.queue, config.max_instances, config.max_launches_per_minute
    if ledger.live >= most:
        text = f"queue {queue} has {most} instance{'s' * (most > 1)}, which is its limit"
        if ledger.live > most:
            text = f"queue {queue} has {ledger.live} instances, more than its limit of {most}"
        return why(Code.MAX_INSTANCES, text, now, subject=f"limits/max-instances = {most}")
    recent = recent_launches(ledger, now)
    if sum(slots for _, slots in recent) < pace:
        return None
    again = min((at + LIMITED for at, _ in recent), default=None)
    text = f"queue {queue} launches at most {pace} instances a minute"
    subject = f"limits/max-launches-per-minute = {pace}"
    return why(Code.LAUNCH_PACE, text, now, next_try=again, subject=subject)


def _why_not(view: ProvisionView, config: QueueConfig, shape: Shape, now: datetime) -> Why:
    """Why no further instance of a shape is launched in this tick."""
    if view.refused:
        return refused_roles(view, now)
    found = limit(view.ledger, config, now)
    found = found or trouble(shape, view.ledger, view.spec, config, now)
    if found is not None:
        return found
    if not may_launch(view, config, shape, now):
        retry_at, text = view.ledger.retry_at.get(str(shape)), f"EC2 has no {named(shape)} now"
        return why(Code.NO_CAPACITY, text, now, next_try=retry_at, subject=str(shape))
    text = f"the launch of {named(shape)} follows in the next tick"
    return why(Code.NEXT_LAUNCH, text, now, subject=str(shape))
