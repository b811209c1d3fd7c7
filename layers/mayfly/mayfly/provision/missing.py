"""How many instances of each shape a queue lacks: for launches, and for what holds them up."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import serves
from mayfly.provision.pool import filled, standard_shape, supply
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Shape


def missing_instances(view: ProvisionView, config: QueueConfig, now: datetime) -> dict[Shape, int]:
    """Instances to launch by shape, the most urgent job's first: jobs + target - ready - coming.

    Negative where a shape has more than it needs. Claims must be as the configuration has them.
    What other shapes can spare counts for the jobs that it can run, but not for the pool: after a
    change of instance types the boots under way go to the jobs that they were launched for.
    """
    shapes = _shapes(view, config, now)
    # A paused queue binds nothing, and Mayfly may never get a job that Buildkite has not reserved.
    paused = config.paused or view.paused
    demand = Counter(c.shape for c in view.waiting if not paused and c.reserved(now))
    known = dict.fromkeys([*shapes, *(instance.shape for instance in view.instances)])
    supplied = {shape: supply(view, config, shape, now) for shape in known}
    lacking = {
        shape: demand[shape] + filled(view, config, shape, supplied[shape], now) - supplied[shape]
        for shape in known
    }
    for shape in shapes:
        for other in known:
            lent = min(-lacking[other], lacking[shape], demand[shape])
            if lent > 0 and serves(other, shape):
                lacking[shape] -= lent
                lacking[other] += lent
                demand[shape] -= lent
    return {shape: lacking[shape] for shape in shapes}


def _shapes(view: ProvisionView, config: QueueConfig, now: datetime) -> list[Shape]:
    """Shapes of waiting jobs, most urgent first, then of the warm pool.

    Shapes without a launch template in the queue's stack are omitted.
    """
    waiting = sorted(view.waiting, key=lambda c: (-c.priority, c.runnable_at, c.job))
    wanted = [claim.shape for claim in waiting]
    pool = [standard_shape(config)] if config.hot.value(now) else []
    shapes = dict.fromkeys([*wanted, *pool])
    return [shape for shape in shapes if shape.architecture in view.infra.templates]
