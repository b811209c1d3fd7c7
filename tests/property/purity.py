"""Equal views give equal actions: each decision is taken twice over what there is."""

from __future__ import annotations

from mayfly.config.in_force import in_force
from mayfly.dispatch import decide as dispatching
from mayfly.dispatch import gather as dispatch_gather
from mayfly.provision import decide as provisioning
from mayfly.provision import tick as provision
from mayfly.reap import decide as reaping
from mayfly.reap import tick as reap
from mayfly.records.model import QueueRecord
from mayfly.sandbox import decide as sandboxing
from mayfly.sandbox import tick as sandbox
from mayfly.tick.outcome import Outcome
from tests.unit.world import World


def decide_twice(world: World) -> None:
    """`same-in-same-out`, for every decision of this moment."""
    now = world.clock.now
    queues = tuple(world.fleet.all(QueueRecord))
    names = frozenset(record.queue for record in queues)
    turn = dispatch_gather.Turn(
        queues, names, world.fence or 0, wide=True, asks=True, known=world.known
    )
    for config, view in dispatch_gather.gather(world.dispatch_ports, turn, Outcome()):
        assert dispatching.decide(view, config, now) == dispatching.decide(view, config, now)
    for record in queues:
        launching = provision.gather(record, world.provision_ports, now)
        config_now = in_force(record)
        assert config_now is not None
        decided = [provisioning.decide(launching, config_now, now) for _ in range(2)]
        assert decided[0] == decided[1]
    swapping = sandbox.gather(world.sandbox_ports, wide=True)
    assert sandboxing.decide(swapping, now) == sandboxing.decide(swapping, now)
    ending = reap.gather(world.reap_ports)
    assert reaping.decide(ending, now) == reaping.decide(ending, now)
