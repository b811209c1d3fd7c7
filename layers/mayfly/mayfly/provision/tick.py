"""One tick of `provision`: update the configuration, launch missing instances, retire idle ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from mayfly.answers import Parameter
from mayfly.config.boots import braked
from mayfly.config.queue import QueueConfig, in_force
from mayfly.errors import FAILURES, Transient
from mayfly.metrics import Metric
from mayfly.provision.apply import Applier
from mayfly.provision.audit import record_changes
from mayfly.provision.decide import decide, next_change, problems
from mayfly.provision.gather import gather
from mayfly.provision.gather_power import with_power
from mayfly.provision.held import held, lost
from mayfly.provision.hung import condemn_hung, hung_boots, without
from mayfly.provision.measures import measure
from mayfly.provision.pool import unsteady
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.prices import refresh_prices
from mayfly.provision.refresh import refresh
from mayfly.provision.view import ProvisionView
from mayfly.provision.waits import long_waits
from mayfly.records.about import fields
from mayfly.records.model import QueueRecord
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome, Told


def tick(
    ports: ProvisionPorts, edge: Edge, *, nudged: bool = False, told: Told | None = None
) -> Outcome:
    """Update the queue records from SSM, then gather, decide and apply queue by queue.

    A nudged tick reads no parameters: every job may bring a nudge, and SSM allows few reads.
    A queue that fails or hangs at EC2 does not hold up the others. `told` is what the invocation
    has logged. Returns the outcome.
    """
    outcome, now = Outcome(told=set() if told is None else told), edge.clock()
    written: Mapping[str, Parameter] | None = None
    applier = Applier(ports, outcome, now, edge)
    with outcome.noting("records of queues"):
        records, written = (ports.fleet.queues(), None) if nudged else _records(ports, outcome, now)
        late = []
        for record in in_turn(records, now):
            if edge.clock() >= edge.stop_at:
                late.append(record.queue)
                continue
            with outcome.noting(f"queue {record.queue}", fields(queues=[record.queue])):
                _tick_queue(record, ports, outcome, applier, tells=not nudged)
        if late:
            text = Transient(f"no time is left for {len(late)} of them: {', '.join(late)}")
            outcome.failed("queues", text, fields(queues=late))
    applier.finish()
    if written is not None:
        # Last: no launch waits for the record of a change, or for a price.
        record_changes(ports, written, outcome, now)
        refresh_prices(ports, records, outcome, now)
    return outcome


def in_turn(records: Sequence[QueueRecord], now: datetime) -> Sequence[QueueRecord]:
    """The records, beginning with another one each minute: a lack of time meets all alike."""
    first = int(now.timestamp() // 60) % len(records) if records else 0
    return (*records[first:], *records[:first])


def _records(
    ports: ProvisionPorts, outcome: Outcome, now: datetime
) -> tuple[Sequence[QueueRecord], Mapping[str, Parameter] | None]:
    """The queue records, updated from SSM, and the operators' parameters.

    The stored records and None when SSM cannot be read.
    """
    try:
        return refresh(ports, outcome, now)
    except FAILURES as error:
        outcome.failed("configuration", error)
        return ports.fleet.queues(), None


def _tick_queue(
    record: QueueRecord, ports: ProvisionPorts, outcome: Outcome, applier: Applier, *, tells: bool
) -> None:
    """One queue's tick. With `tells`, once a minute, reports what needs a person or a wait."""
    now = applier.now
    config = in_force(record)
    if tells:
        _tell_configuration(record, config, outcome)
    if config is None:
        return
    view = gather(record, ports, now)
    if tells:
        _tell(view, config, outcome, now)
    view = with_power(view, config, ports, outcome, now)
    hung = hung_boots(view, now)
    view = without(view, hung)
    outcome.repeat_at(next_change(view, config, now))
    actions = [
        *condemn_hung(hung, now),
        *decide(view, config, now),
        *long_waits(view, config, now),
    ]
    applier.begin(record.queue, actions, view.zones)


def _tell_configuration(record: QueueRecord, config: QueueConfig | None, outcome: Outcome) -> None:
    """Say which parameters of the queue are not in force."""
    about = fields(queues=[record.queue])
    for line in record.problems:
        outcome.problem(f"queue {record.queue}: {line}", about)
    if config is not None and config.policy_unread:
        unread = f"queue {record.queue}: its policy cannot be read, and jobs wait"
        outcome.alarms.append((Metric.UNREADABLE_POLICY, unread))
        outcome.queue_problem(about)


def _tell(view: ProvisionView, config: QueueConfig, outcome: Outcome, now: datetime) -> None:
    """Report what holds launches up, alarms and warnings, and what instances there are."""
    for line in problems(view, config):
        outcome.problem(f"queue {config.queue}: {line}", fields(queues=[config.queue]))
    for metric, lines in (
        (Metric.BRAKED, (*braked(view.ledger, view.spec, config), *unsteady(view, config, now))),
        (Metric.NO_CAPACITY, lost(view, now)),
    ):
        for line in lines:
            outcome.alarms.append((metric, f"queue {config.queue}: {line}"))
            outcome.queue_problem(fields(queues=[config.queue]))
    for cause, line in held(view, config, now):
        outcome.hold(config.queue, cause, line)
    outcome.of_queues.add(measure(view, config, now))
