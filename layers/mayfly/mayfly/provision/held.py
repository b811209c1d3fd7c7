"""All reasons for which a queue's launches and pool stand still, and the queue's standing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from mayfly.config.boots import braked
from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import matching, named
from mayfly.config.stalled import is_unanswered
from mayfly.config.troubles import trouble
from mayfly.provision.informed import about_stopped, bought_otherwise
from mayfly.provision.not_launched import refused_roles
from mayfly.provision.pool import standard_shape, unsteady
from mayfly.provision.view import ProvisionView
from mayfly.records.model import Claim, Shape
from mayfly.records.standing import PROVISION, Standing
from mayfly.records.states import Supply
from mayfly.records.turns import in_turn, of_claims
from mayfly.records.why import OF_QUEUE, Code, Why, in_order, why


def standing(
    view: ProvisionView, config: QueueConfig, held: Iterable[Why], now: datetime
) -> Standing:
    """What `provision` has to say of a queue, where `held` is why its decision launches no more."""
    return Standing(
        config.queue,
        PROVISION,
        now,
        in_order((*held, *_reasons(view, config, now))),
        waiting=len(view.waiting),
        oldest=min((claim.runnable_at for claim in view.waiting), default=None),
        hot=config.hot.target(now),
    )


def without_configuration(queue: str, now: datetime) -> Standing:
    """The standing of a queue that never had a configuration."""
    text = f"queue {queue} never had a configuration that is valid as a whole"
    return Standing(queue, PROVISION, now, (why(Code.NO_CONFIGURATION, text, now),))


def held_jobs(reason: Why, view: ProvisionView, config: QueueConfig) -> tuple[Claim, ...]:
    """The claims that wait for this reason to end, in turn, as `records.turns` says.

    What holds up the whole queue holds up those for which no instance is coming. Jobs over the
    limit of their pipeline wait for other jobs of the pipeline.
    """
    claims = {claim.job: claim for claim in view.waiting}
    places = in_turn(of_claims(view.waiting), view.busy_pipelines)
    waiting = [claims[each.job] for each in places if each.is_within(config.per_pipeline)]
    if reason.code in OF_QUEUE:
        coming = sum(i.state.traits.supply is Supply.COMING for i in view.instances)
        return tuple(waiting[coming:])
    return tuple(claim for claim in waiting if reason.is_about(str(claim.shape)))


def _reasons(view: ProvisionView, config: QueueConfig, now: datetime) -> Iterator[Why]:
    """What stands in the way whether or not an instance is missing at this moment."""
    if view.refused:
        yield refused_roles(view, now)
    waiting = matching(view.waiting, config)
    shapes = dict.fromkeys(claim.shape for claim in waiting)
    for shape in shapes:
        if shape.architecture not in view.infra.templates:
            lack = f"the queue's stack has no such launch template as {shape.architecture} needs"
            yield why(Code.NO_TEMPLATE, f"jobs wait, and {lack}", now, subject=str(shape))
    pool = [standard_shape(config)] if config.hot.value(now) and not config.paused else []
    for shape in dict.fromkeys([*shapes, *pool, *braked(view.ledger, view.spec, config)]):
        if (found := trouble(shape, view.ledger, view.spec, config, now)) is not None:
            yield found
    yield from _unanswered(view, now)
    yield from bought_otherwise(view, config, now)
    yield from about_stopped(view, config, now)
    if (found := unsteady(view, config, now)) is not None:
        yield found
    if config.policy_unread:
        text = f"the policy of queue {config.queue} cannot be read, and jobs wait"
        yield why(Code.POLICY_UNREADABLE, text, now)


def _unanswered(view: ProvisionView, now: datetime) -> Iterator[Why]:
    late: dict[Shape, datetime] = {}
    for instance in view.instances:
        if is_unanswered(instance, now):
            asked = late.get(instance.shape, instance.created)
            late[instance.shape] = min(asked, instance.created)
    for shape, asked in late.items():
        since = f"since {asked:%H:%M:%S} UTC, and is asked again until it does"
        text = f"EC2 has not answered the launch of {named(shape)} {since}"
        yield why(Code.LAUNCH_UNANSWERED, text, now, subject=str(shape))
