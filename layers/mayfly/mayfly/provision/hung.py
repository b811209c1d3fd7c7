"""Boots that hang by an older configuration are given up, so that a remedy is tried at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.provision.actions import condemn
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Instance
from mayfly.records.states import Allowance
from mayfly.tick.actions import NudgeReap, WriteRecords

PATIENCE = timedelta(minutes=2)
"""How long set-up by an older configuration may take. Set-up by the present one has its limit."""


def hung_boots(view: ProvisionView, now: datetime) -> tuple[Instance, ...]:
    """Instances of an older spec whose set-up, script included, takes long."""
    return tuple(
        instance
        for instance in view.instances
        if instance.state.traits.allowance is Allowance.SCRIPT
        and instance.spec != view.spec
        and now - instance.since >= PATIENCE
    )


def without(view: ProvisionView, hung: Collection[Instance]) -> ProvisionView:
    """The view without these instances, whose boots are given up: they are no supply."""
    keys = {instance.key for instance in hung}
    return replace(view, instances=tuple(i for i in view.instances if i.key not in keys))


def condemn_hung(hung: Collection[Instance], now: datetime) -> Iterator[WriteRecords | NudgeReap]:
    """Condemn instances with hung boots, and wake `reap`, which frees their places.

    Without a note of a failed boot: the brake counts boots of the present set-up.
    """
    for instance in hung:
        yield condemn(instance, _why(instance, now), now)
    if hung:
        yield NudgeReap(f"{len(hung)} boots that hang are given up")


def _why(instance: Instance, now: datetime) -> str:
    minutes = int((now - instance.since).total_seconds() // 60)
    return f"set-up lasted {minutes} minutes, and the queue's configuration changed since"
