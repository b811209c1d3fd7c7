"""How many instances of each shape a queue lacks: for launches, and for what holds them up."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import serves
from mayfly.provision.pool import filled, held_back, standard_shape, supply
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Claim, Shape
from mayfly.records.turns import in_turn, of_claims


def missing_instances(view: ProvisionView, config: QueueConfig, now: datetime) -> dict[Shape, int]:
    """Instances to launch by shape, the most urgent job's first: jobs + targets - supply.

    Targets are of the hot and the stopped pool; supply is ready, coming, stopping and stopped.

    Negative where a shape has more than it needs. Claims must be as the configuration has them.
    What other shapes can spare counts for the jobs that it can run, but not for the pool: after a
    change of instance types the boots under way go to the jobs that they were launched for.
    """
    shapes = _shapes(view, config, now)
    demand = Counter(claim.shape for claim in jobs_in_turn(view, config, now))
    warm = (*view.instances, *view.stopped)
    known = dict.fromkeys([*shapes, *(instance.shape for instance in warm)])
    supplied = {
        shape: supply(view, config, shape, now) + held_back(view, config, shape, now)
        for shape in known
    }
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


def wants_turns(view: ProvisionView, config: QueueConfig) -> bool:
    """Whether launches depend on which pipelines have instances, so that jobs are to be read."""
    limited = config.per_pipeline is not None and bool(view.waiting)
    return limited or len({claim.shape for claim in view.waiting}) > 1


def jobs_in_turn(view: ProvisionView, config: QueueConfig, now: datetime) -> tuple[Claim, ...]:
    """The waiting jobs that instances are for, the next one first; without jobs over a limit.

    A paused queue binds nothing, and Mayfly may never get a job that Buildkite has not reserved.
    """
    if config.paused or view.paused:
        return ()
    claims = {claim.job: claim for claim in view.waiting if claim.reserved(now)}
    places = in_turn(of_claims(claims.values()), view.busy_pipelines)
    return tuple(claims[each.job] for each in places if each.is_within(config.per_pipeline))


def _shapes(view: ProvisionView, config: QueueConfig, now: datetime) -> list[Shape]:
    """Shapes of waiting jobs, most urgent first, then of the warm pool.

    Shapes without a launch template in the queue's stack are omitted.
    """
    claims = {claim.job: claim for claim in view.waiting}
    places = in_turn(of_claims(view.waiting), view.busy_pipelines)
    wanted = [claims[each.job].shape for each in places]
    keeps_pool = config.hot.value(now) or config.stopped.value(now)
    pool = [standard_shape(config)] if keeps_pool else []
    shapes = dict.fromkeys([*wanted, *pool])
    return [shape for shape in shapes if shape.architecture in view.infra.templates]
