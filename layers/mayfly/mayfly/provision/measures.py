"""What `provision` measures of a queue once a minute: its instances, target and limit. Pure."""

from __future__ import annotations

from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.metrics import Metric
from mayfly.provision.view import ProvisionView
from mayfly.records.states import Supply
from mayfly.tick.measures import Measures


def measure(view: ProvisionView, config: QueueConfig, now: datetime) -> Measures:
    """The queue's instances by what they are good for; their sum is what the limit counts."""
    supply = [instance.state.traits.supply for instance in (*view.instances, *view.stopped)]
    hot, coming = supply.count(Supply.READY), supply.count(Supply.COMING)
    stopped = supply.count(Supply.STOPPED)
    found = Measures()
    target = config.stopped.value(now)
    if stopped or target:
        found.note(Metric.STOPPED, config.queue, stopped)
        found.note(Metric.STOPPED_TARGET, config.queue, target)
    for metric, value in (
        (Metric.HOT, hot),
        (Metric.HOT_TARGET, config.hot.value(now)),
        (Metric.COMING, coming),
        (Metric.RUNNING, max(view.ledger.live - hot - coming - stopped, 0)),
        (Metric.LIMIT, config.max_instances),
    ):
        found.note(metric, config.queue, value)
    return found
