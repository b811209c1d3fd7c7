"""Equal views give equal actions: every decision is made twice over the present records."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

from mayfly.config.queue import QueueConfig, in_force
from mayfly.dispatch.bound import bind, nudges, reservations_due
from mayfly.dispatch.gather import gather
from mayfly.dispatch.long_reads import LongReads
from mayfly.dispatch.opened import open_claims
from mayfly.dispatch.reasons import found_reasons, left_alone
from mayfly.dispatch.settled import failures_to_tell, settle
from mayfly.dispatch.view import QueueView, Turn, is_paused
from mayfly.provision import decide as provisioning
from mayfly.provision.gather import gather as provision_gather
from mayfly.provision.held import standing
from mayfly.reap import decide as reaping
from mayfly.reap.gather import gather as reap_gather
from mayfly.records.model import QueueRecord
from mayfly.sandbox import decide as sandboxing
from mayfly.sandbox.gather import gather as sandbox_gather
from mayfly.tick.outcome import Outcome
from tests.unit.world import World


def dispatched(view: QueueView, config: QueueConfig, now: datetime) -> list[object]:
    """The results of every decision of dispatch over one view."""
    return [
        *settle(view, config, now),
        *open_claims(view, config, now),
        *reservations_due(view.claims, now, paused=is_paused(view, config)),
        *bind(view, config, now),
        *failures_to_tell(view.claims, now),
        *nudges(view, view.claims, set(), config),
        *found_reasons(view, config, left_alone(view, config, now), now),
    ]


def decide_twice(world: World) -> None:
    """Assert `same-in-same-out` for every decision at the world's present time."""
    now = world.clock.now
    queues = tuple(world.fleet.all(QueueRecord))
    names = frozenset(record.queue for record in queues)
    turn = Turn(queues, names, world.fence or 0, wide=True, reads_states=True, seen=world.seen)
    with closing(LongReads.of(world.dispatch_ports)) as long:
        for config, view in gather(world.dispatch_ports, turn, Outcome(), now, long):
            assert dispatched(view, config, now) == dispatched(view, config, now)
    for record in queues:
        launching = provision_gather(record, world.provision_ports, now)
        config_now = in_force(record)
        assert config_now is not None
        decided = [provisioning.decided(launching, config_now, now) for _ in range(2)]
        assert decided[0] == decided[1]
        said = [standing(launching, config_now, each.held, now) for each in decided]
        assert said[0] == said[1]
    swapping = sandbox_gather(world.sandbox_ports, Outcome(), wide=True)
    assert sandboxing.decide(swapping, now) == sandboxing.decide(swapping, now)
    ending = reap_gather(world.reap_ports)
    assert reaping.decide(ending, now) == reaping.decide(ending, now)
