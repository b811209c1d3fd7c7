"""One tick of `provision`: update the configuration, launch missing instances, retire idle ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from mayfly.answers import Parameter
from mayfly.config.queue import QueueConfig, in_force
from mayfly.errors import FAILURES, Transient
from mayfly.metrics import Metric
from mayfly.ports import Fleet
from mayfly.provision.actions import RecordLaunch
from mayfly.provision.apply import Applier
from mayfly.provision.audit import record_changes
from mayfly.provision.confirmed import confirmed
from mayfly.provision.decide import decided, next_change
from mayfly.provision.gather import gather
from mayfly.provision.gather_power import with_power
from mayfly.provision.held import held_jobs, standing, without_configuration
from mayfly.provision.hung import condemn_hung, hung_boots, without
from mayfly.provision.measures import measure
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.refresh import refresh
from mayfly.provision.refresh_prices import refresh_prices
from mayfly.provision.view import ProvisionView
from mayfly.records.about import fields
from mayfly.records.model import Claim, Instance, QueueRecord
from mayfly.records.standing import PROVISION, Standing
from mayfly.records.why import HOLDS_NOTHING, UNDER_WAY, Code, Why
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Held, Outcome, Told
from mayfly.tick.standings import Standings

PROBLEMS = frozenset({Code.ROLES_REFUSED, Code.NO_TEMPLATE})
"""Codes that are counted as `BadConfiguration`: only a person can set the queue right."""
ALARMS: Mapping[Code, Metric] = {
    Code.BRAKED: Metric.BRAKED,
    Code.POOL_UNSTEADY: Metric.BRAKED,
    Code.POLICY_UNREADABLE: Metric.UNREADABLE_POLICY,
    Code.ALWAYS_TAKEN_BACK: Metric.NO_CAPACITY,
}
"""Codes with an alarm of their own, and its metric."""


def tick(
    ports: ProvisionPorts,
    edge: Edge,
    *,
    nudged: bool = False,
    told: Told | None = None,
    standings: Standings | None = None,
) -> Outcome:
    """Update the queue records from SSM, then gather, decide and apply queue by queue.

    A nudged tick reads no parameters: every job may bring a nudge, and SSM allows few reads.
    A queue that fails or hangs at EC2 does not hold up the others. `told` is what the invocation
    has logged, and `standings` what it knows of what was said. Returns the outcome.
    """
    outcome, now = Outcome(told=set() if told is None else told), edge.clock()
    written: Mapping[str, Parameter] | None = None
    applier = Applier(ports, outcome, now, edge)
    says = _Says(standings or Standings(ports.fleet, PROVISION), outcome, logs=not nudged)
    with outcome.noting("records of queues"):
        records, written = (ports.fleet.queues(), None) if nudged else _records(ports, outcome, now)
        late = []
        for record in in_turn(records, now):
            if edge.clock() >= edge.stop_at:
                late.append(record.queue)
                continue
            with outcome.noting(f"queue {record.queue}", fields(queues=[record.queue])):
                _tick_queue(record, ports, applier, says)
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


@dataclass(frozen=True, slots=True)
class _Says:
    """Says why queues stand still: in their standings always, in log and metrics once a minute."""

    standings: Standings
    outcome: Outcome
    logs: bool
    """Whether this is the minute's tick, and no nudged one."""

    def say(self, found: Standing, jobs: Callable[[Why], Sequence[Claim]]) -> None:
        """Say what was found; `jobs` names the claims that wait for a reason."""
        standing = self.standings.after(found, self.outcome)
        for reason in standing.reasons if self.logs else ():
            waiting = tuple(jobs(reason))
            holds = reason.code is not Code.START_REFUSED or waiting
            if holds and reason.code not in UNDER_WAY | HOLDS_NOTHING:
                self._log(Held(found.queue, reason, waiting))
        self.standings.say(standing, self.outcome)

    def _log(self, held: Held) -> None:
        is_problem = held.why.code in PROBLEMS
        self.outcome.hold(replace(held, is_logged=not is_problem))
        if is_problem:
            self.outcome.problem(held.line, held.about)
        elif (metric := ALARMS.get(held.why.code)) is not None:
            self.outcome.told.add(held.line)  # The line is logged with its jobs.
            self.outcome.alarms.append((metric, held.line))
            self.outcome.queue_problem(fields(queues=[held.queue]))


def _tick_queue(record: QueueRecord, ports: ProvisionPorts, applier: Applier, says: _Says) -> None:
    """One queue's tick, which also says why the queue's launches stand still."""
    now, outcome = applier.now, applier.outcome
    config = in_force(record)
    if says.logs:
        for line in record.problems:
            outcome.problem(f"queue {record.queue}: {line}", fields(queues=[record.queue]))
    if config is None:
        says.say(without_configuration(record.queue, now), lambda _: ())
        return
    view = gather(record, ports, now)
    if says.logs:
        outcome.of_queues.add(measure(view, config, now))
    view, hung = _without_hung(view, config, ports, applier)
    found = decided(view, config, now)
    if any(isinstance(action, RecordLaunch) for action in found.actions):
        present, config = _present(record, config, ports.fleet)
        if present.version != record.version:
            view, hung = _without_hung(gather(present, ports, now), config, ports, applier)
        view = confirmed(view, hung, config, ports.fleet, now)
        found = decided(view, config, now)
    outcome.repeat_at(next_change(view, config, now))
    applier.begin(record.queue, [*condemn_hung(hung, now), *found.actions], view.zones)
    says.say(standing(view, config, found.held, now), partial(held_jobs, view=view, config=config))


def _without_hung(
    view: ProvisionView, config: QueueConfig, ports: ProvisionPorts, applier: Applier
) -> tuple[ProvisionView, tuple[Instance, ...]]:
    """The view with what EC2 says of stopped instances, without hung boots, and the hung boots."""
    view = with_power(view, config, ports, applier.outcome, applier.now)
    hung = hung_boots(view, applier.now)
    return without(view, hung), hung


def _present(
    record: QueueRecord, config: QueueConfig, fleet: Fleet
) -> tuple[QueueRecord, QueueConfig]:
    """The queue's record as it is now, with the configuration in force.

    The index that lists records may lag: a pool that an operator has made smaller would be filled.
    """
    present = fleet.queue(record.queue)
    newer = in_force(present) if present is not None else None
    return (record, config) if present is None or newer is None else (present, newer)
