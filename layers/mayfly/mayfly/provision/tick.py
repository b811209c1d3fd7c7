"""One tick of `provision`: read the configuration, launch what is missing, retire what is not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import assert_never

from mayfly.answers import Launched, Parameter
from mayfly.config.in_force import in_force
from mayfly.config.infra import Infra
from mayfly.config.problem import shown
from mayfly.config.read import queue_record
from mayfly.errors import FAILURES, Conflict, Misconfigured, NoCapacity, NotFound
from mayfly.ports import Fleet, Machines, Parameters, Roles
from mayfly.provision.actions import ProvisionAction, RecordLaunch, SendLaunch
from mayfly.provision.decide import ProvisionView, coming_or_ready, decide
from mayfly.provision.settlement import account, adopted, filled, overdue
from mayfly.records.changes import Drop, Save
from mayfly.records.model import Capacity, Instance, Launch, QueueRecord, SlotKey, launch_id, saved
from mayfly.records.states import OPEN_CLAIMS, ClaimState, InstanceState
from mayfly.tick.actions import WriteRecords
from mayfly.tick.outcome import Left, Outcome


@dataclass(frozen=True, slots=True)
class ProvisionPorts:
    """What `provision` may touch."""

    stack: str
    fleet: Fleet
    machines: Machines
    parameters: Parameters
    roles: Roles


def tick(ports: ProvisionPorts, now: datetime, *, nudged: bool = False) -> Outcome:
    """Refresh every queue's record, then gather, decide and apply queue by queue.

    A nudged tick takes the records as they are: nudges come by the job, and SSM allows few reads.
    A queue that cannot be served does not keep the others waiting.
    """
    outcome = Outcome()
    with outcome.noting("records of queues"):
        for record in ports.fleet.queues() if nudged else _records(ports, outcome):
            with outcome.noting(f"queue {record.queue}"):
                _tick_queue(record, ports, outcome, now)
    return outcome


def _records(ports: ProvisionPorts, outcome: Outcome) -> list[QueueRecord]:
    """The queues as SSM has them now; as they were last understood when it cannot be read."""
    try:
        return refresh(ports, outcome)
    except FAILURES as error:
        outcome.failed("configuration", error)
        return list(ports.fleet.queues())


def _tick_queue(
    record: QueueRecord, ports: ProvisionPorts, outcome: Outcome, now: datetime
) -> None:
    outcome.problems.extend(f"queue {record.queue}: {line}" for line in record.problems)
    config = in_force(record)
    if config is None:
        return
    view = gather(record, ports, now)
    if view.refused:
        outcome.failed(f"queue {record.queue}", Misconfigured(view.refused))
    lacking = {c.shape.architecture for c in view.waiting} - view.infra.templates.keys()
    outcome.problems.extend(
        f"queue {record.queue}: jobs wait for {each}, and its stack has no launch template for it"
        for each in sorted(lacking)
    )
    actions = decide(view, config, now)
    outcome.perform(actions, lambda action: apply(action, ports, outcome, now))


def refresh(ports: ProvisionPorts, outcome: Outcome) -> list[QueueRecord]:
    """Bring the queue records in line with SSM; answers with the active ones.

    The records are the one source of configuration for every other function, so that all act on
    the same values, and on the last good ones when what stands in SSM is bad.
    """
    infra = ports.parameters.under(f"/mayfly-infra/{ports.stack}")
    written = ports.parameters.under(f"/mayfly/{ports.stack}/queues")
    bundle = _bundle(ports.stack, infra)
    known = {record.queue: record for record in ports.fleet.queues()}
    records = []
    for queue, text in _published(ports.stack, infra):
        old = known.pop(queue, None) or ports.fleet.queue(queue)
        mine = _below(f"/mayfly/{ports.stack}/queues/{queue}/", written)
        new = queue_record(old, queue, text, mine, ports.stack, bundle)
        records.append(_record(ports.fleet, old, new, outcome))
    outcome.problems.extend(_for_nobody(ports.stack, written, [each.queue for each in records]))
    for gone in known.values():
        if gone.active or _is_busy(ports.fleet, gone.queue):
            records.append(_record(ports.fleet, gone, replace(gone, active=False), outcome))
        else:
            outcome.perform(
                [WriteRecords((Drop(gone),), f"queue {gone.queue} is gone")], _writer(ports)
            )
    return records


def _bundle(stack: str, infra: Mapping[str, Parameter]) -> str:
    """SHA-256 of the instances' bundle. Raises Misconfigured when it is not published."""
    name = f"/mayfly-infra/{stack}/bundle"
    try:
        return str(json.loads(infra[name].value)["sha256"])
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(f"{name} does not name a bundle: {error!r}") from error


def _is_busy(fleet: Fleet, queue: str) -> bool:
    # The lists may lag, and nobody looks at what is left of a queue whose record is gone.
    capacity = fleet.capacity(queue)
    return (capacity is not None and capacity.live > 0) or bool(fleet.claims(queue, OPEN_CLAIMS))


def _writer(ports: ProvisionPorts) -> Callable[[WriteRecords], None]:
    return lambda action: ports.fleet.write(action.changes)


def _published(stack: str, infra: Mapping[str, Parameter]) -> Iterator[tuple[str, str]]:
    prefix = f"/mayfly-infra/{stack}/queues/"
    for name in sorted(infra):
        if name.startswith(prefix):
            yield name.removeprefix(prefix), infra[name].value


def _below(prefix: str, parameters: Mapping[str, Parameter]) -> dict[str, Parameter]:
    return {n.removeprefix(prefix): p for n, p in parameters.items() if n.startswith(prefix)}


def _for_nobody(
    stack: str, written: Mapping[str, Parameter], queues: Sequence[str]
) -> Iterator[str]:
    """What is wrong with parameters below a queue that no stack has published."""
    prefix = f"/mayfly/{stack}/queues/"
    named = {name.removeprefix(prefix).partition("/")[0] for name in written}
    for queue in sorted(named - set(queues)):
        near = get_close_matches(queue, queues, n=1)
        hint = f"; {near[0]} is one" if near else ""
        yield f"{prefix}{shown(queue, 80)} has parameters, and there is no such queue{hint}"


def _record(
    fleet: Fleet, old: QueueRecord | None, new: QueueRecord, outcome: Outcome
) -> QueueRecord:
    if new == old:
        return new
    try:
        fleet.write([Save(new)])
    except Conflict:
        outcome.left[Left.CONFLICT] += 1
        return new
    outcome.configured += 1
    return saved(new)


def gather(record: QueueRecord, ports: ProvisionPorts, now: datetime) -> ProvisionView:
    """One queue's demand, supply and account."""
    fleet, queue = ports.fleet, record.queue
    infra = Infra.parse(queue, ports.stack, record.infra)
    launches = tuple(fleet.launches(queue))
    capacity = fleet.capacity(queue) or Capacity(queue, epoch=now)
    supply = fleet.instances(queue, coming_or_ready())
    return ProvisionView(
        stack=ports.stack,
        infra=infra,
        spec=record.spec,
        waiting=tuple(fleet.claims(queue, {ClaimState.WAITING})),
        instances=(*supply, *_lagging(ports, capacity, supply, now)),
        launches=launches,
        slots={launch.id: tuple(_requested(fleet, launch)) for launch in launches},
        capacity=capacity,
        refused=_shared_policy(infra, ports.roles),
    )


def _requested(fleet: Fleet, launch: Launch) -> Iterator[Instance]:
    """All slots of an open launch that wait for EC2's answer, whatever a list shows.

    One that is left out when the answer is recorded would wait for ever, its instance unknown.
    """
    slots = fleet.slots([SlotKey(launch.id, number) for number in range(launch.slots)])
    return (slot for slot in slots if slot.state is InstanceState.REQUESTED)


def _lagging(
    ports: ProvisionPorts, capacity: Capacity, listed: Iterable[Instance], now: datetime
) -> Iterator[Instance]:
    """Slots of the last minute's launches that the index does not show yet.

    Without them a tick that follows another closely would launch for the same jobs again.
    """
    recent = [slots for at, slots in capacity.recent if now - at < timedelta(minutes=1)]
    keys = set[SlotKey]()
    for back, slots in enumerate(reversed(recent), start=1):
        name = launch_id(ports.stack, replace(capacity, next_launch=capacity.next_launch - back))
        keys.update(SlotKey(name, number) for number in range(slots))
    missing = keys - {instance.key for instance in listed}
    for slot in ports.fleet.slots(missing) if missing else ():
        if slot.state in coming_or_ready():
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


def apply(action: ProvisionAction, ports: ProvisionPorts, outcome: Outcome, now: datetime) -> None:
    """Perform one action."""
    match action:
        case WriteRecords():
            ports.fleet.write(action.changes)
        case RecordLaunch():
            changes = [Save(action.capacity), Save(action.launch), *map(Save, action.slots)]
            ports.fleet.write(changes)
            sent = SendLaunch(
                saved(action.launch), tuple(saved(s) for s in action.slots), action.reason
            )
            _send(sent, ports, outcome, now)
            outcome.launched += 1
        case SendLaunch():
            _send(action, ports, outcome, now)
        case _:
            assert_never(action)


def _send(action: SendLaunch, ports: ProvisionPorts, outcome: Outcome, now: datetime) -> None:
    """Ask EC2, settle the launch by the answer, then bring the queue's account in line."""
    launch = action.launch
    if overdue(launch, now):
        answer = adopted(launch, _seen(ports.machines, launch))
    else:
        try:
            answer = ports.machines.create_fleet(launch.request, launch.id)
        except NoCapacity as error:
            answer = Launched((), (str(error),))
            outcome.failed(f"launch of {launch.shape}", error)
        except Misconfigured as error:
            # It says nothing of an earlier try whose answer was lost.
            earlier = adopted(launch, _seen(ports.machines, launch))
            answer = replace(earlier, errors=(str(error),))
            outcome.failed(f"launch of {launch.shape}", error)
    ports.fleet.write(filled(launch, action.slots, answer, now))
    capacity = ports.fleet.capacity(launch.queue)
    if capacity is not None:
        accounted = account(capacity, launch, len(answer.instance_ids), now)
        if accounted != capacity:
            ports.fleet.write([Save(accounted)])


def _seen(machines: Machines, launch: Launch) -> list[str]:
    """Ids of what EC2 shows with the launch's tag."""
    return [seen.instance_id for seen in machines.instances() if seen.launch == launch.id]
