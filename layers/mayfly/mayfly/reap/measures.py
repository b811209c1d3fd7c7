"""Which ends of instances `reap` counts: failed hosts, and what EC2 takes back. Pure.

Each instance counts once: a failed host when it is condemned, or closed without that; what EC2
takes back when it is closed, because only then EC2's reason is sure to be there.
"""

from __future__ import annotations

from collections.abc import Iterable

from mayfly.metrics import Failed, Metric
from mayfly.records.model import Instance
from mayfly.tick.measures import Series

SPOT_TEXT = "EC2 takes the spot instance back"
"""Begin of the reason of every end by a spot warning."""
_SPOT = ("Server.SpotInstance", SPOT_TEXT)


def when_closed(
    instance: Instance, ec2_reason: str, *, lacked: bool, ended_well: bool
) -> tuple[Series, ...]:
    """What the end of an instance counts as.

    `instance` is the record before it is closed; `lacked`: EC2 lacked capacity; `ended_well`: the
    record or the host's report has the end as an ordinary one, or it was counted before.
    """
    queue = instance.queue
    if is_spot_loss((ec2_reason, instance.reason)):
        return (Series(Metric.SPOT_LOST, queue),)
    if lacked and not instance.proven:
        return (Series(Metric.LAUNCHES_FAILED, queue, Failed.TAKEN_BACK),)
    return () if ended_well else (Series(Metric.HOSTS_FAILED, queue),)


def when_condemned(instance: Instance, ec2_reason: str, *, lacked: bool) -> tuple[Series, ...]:
    """What a condemnation counts as; nothing where the close will count it."""
    if lacked or is_spot_loss((ec2_reason,)):
        return ()
    return (Series(Metric.HOSTS_FAILED, instance.queue),)


def is_spot_loss(reasons: Iterable[str]) -> bool:
    """Whether one of the reasons says that EC2 took a spot instance back.

    Codes: EC2 API reference, StateReason.
    """
    return any(reason.startswith(_SPOT) for reason in reasons)
