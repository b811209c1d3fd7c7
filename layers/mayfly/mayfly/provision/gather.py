"""What one tick of `provision` looks at: a queue's demand, supply and account."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.infra import Infra
from mayfly.errors import NotFound
from mayfly.ports import Fleet, Roles
from mayfly.provision.decide import ProvisionView
from mayfly.provision.ports import ProvisionPorts
from mayfly.records.model import Instance, Launch, Ledger, QueueRecord, SlotKey, launch_id
from mayfly.records.states import Supply, claim_states, instance_states

SUPPLY = instance_states(lambda instance: instance.supply is not Supply.NONE)
WAITING = claim_states(lambda claim: claim.waits)


def gather(record: QueueRecord, ports: ProvisionPorts, now: datetime) -> ProvisionView:
    """One queue's demand, supply and account."""
    fleet, queue = ports.fleet, record.queue
    infra = Infra.parse(queue, ports.stack, record.infra)
    launches = tuple(fleet.launches(queue))
    ledger = fleet.ledger(queue) or Ledger(queue, epoch=now)
    supply = fleet.instances(queue, SUPPLY)
    return ProvisionView(
        stack=ports.stack,
        infra=infra,
        spec=record.spec,
        waiting=tuple(fleet.claims(queue, WAITING)),
        instances=(*supply, *_lagging(ports, ledger, supply, now)),
        launches=launches,
        slots={launch.id: tuple(_requested(fleet, launch)) for launch in launches},
        ledger=ledger,
        refused=_shared_policy(infra, ports.roles),
    )


def _requested(fleet: Fleet, launch: Launch) -> Iterator[Instance]:
    """All slots of an open launch that wait for EC2's answer, whatever a list shows.

    One that is left out when the answer is recorded would wait for ever, its instance unknown.
    """
    slots = fleet.slots([SlotKey(launch.id, number) for number in range(launch.slots)])
    return (slot for slot in slots if slot.state.traits.awaits_launch)


def _lagging(
    ports: ProvisionPorts, ledger: Ledger, listed: Iterable[Instance], now: datetime
) -> Iterator[Instance]:
    """Slots of the last minute's launches that the index does not show yet.

    Without them a tick that follows another closely would launch for the same jobs again.
    """
    recent = [slots for at, slots in ledger.recent if now - at < timedelta(minutes=1)]
    keys = set[SlotKey]()
    for back, slots in enumerate(reversed(recent), start=1):
        name = launch_id(ports.stack, replace(ledger, next_launch=ledger.next_launch - back))
        keys.update(SlotKey(name, number) for number in range(slots))
    missing = keys - {instance.key for instance in listed}
    for slot in ports.fleet.slots(missing) if missing else ():
        if slot.state in SUPPLY:
            yield slot


def _shared_policy(infra: Infra, roles: Roles) -> str:
    """Why the roles of a queue defeat the downgrade; empty when they do not."""
    try:
        shared = roles.policies(infra.bootstrap_role) & roles.policies(infra.sandbox_role)
    except NotFound as error:
        return f"a role of the queue does not exist: {error}"
    if not shared:
        return ""
    return f"its sandbox role carries what its bootstrap role carries: {', '.join(sorted(shared))}"
