"""One tick of `reap`: close what is gone, end what overstays, watch what is unknown."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.actions import Alarm, Clear, KeepWords, Notify, Nudge, ReapAction, Terminate, Write
from mayfly.config.queue import QueueConfig
from mayfly.decide.reap import ReapView, decide, warn
from mayfly.errors import NotFound
from mayfly.model import Instance, QueueRecord
from mayfly.ports import Fleet, LastWords, Machines, Mailbox, Nudges, Seen
from mayfly.states import OPEN_INSTANCES, ClaimState
from mayfly.ticks.outcome import Outcome

log = logging.getLogger("mayfly")

NOTICE_LIFE = timedelta(minutes=10)
"""How long a notice outlives its instance if nothing else removes the row."""


@dataclass(frozen=True, slots=True)
class ReapPorts:
    """What `reap` may touch."""

    fleet: Fleet
    mailbox: Mailbox
    machines: Machines
    nudges: Nudges
    words: LastWords


def tick(ports: ReapPorts, now: datetime) -> Outcome:
    """Gather, decide, apply."""
    return _perform(decide(gather(ports), now), ports, now)


def warned(ports: ReapPorts, instance_id: str, text: str, now: datetime) -> Outcome:
    """Act on a spot warning; an id that is not ours is none of our business."""
    instance = ports.fleet.instance_of(instance_id)
    return _perform(warn(instance, text, now) if instance is not None else [], ports, now)


def is_ours(ports: ReapPorts, instance_id: str) -> bool:
    """Whether a tick could learn anything from an event about this EC2 instance."""
    return ports.fleet.instance_of(instance_id) is not None


def gather(ports: ReapPorts) -> ReapView:
    """Records, EC2's view of everything with our tag, and the reports of those who run."""
    queues = ports.fleet.queues()
    instances = tuple(i for q in queues for i in ports.fleet.instances(q.queue, OPEN_INSTANCES))
    seen = {s.instance_id: s for s in ports.machines.instances()}
    rows = [row for i in instances for row in (i.bootstrap_row, i.sandbox_row) if row]
    claims = [c for q in queues for c in ports.fleet.claims(q.queue, {ClaimState.RUNNING})]
    return ReapView(
        instances=instances,
        seen=seen,
        reports=ports.mailbox.reports(rows) if rows else {},
        running={claim.slot: claim for claim in claims if claim.slot is not None},
        open_launches=frozenset(x.id for q in queues for x in ports.fleet.launches(q.queue)),
        strays={stray.instance_id: stray for stray in ports.fleet.strays()},
        unknown=_unknown(ports.fleet, instances, seen),
        keep_failed={q.queue: _keep(q) for q in queues},
    )


def _unknown(
    fleet: Fleet, instances: Iterable[Instance], seen: Mapping[str, Seen]
) -> frozenset[str]:
    """Ids without an open record, each confirmed by a consistent read: the index may lag."""
    known = {i.instance_id for i in instances}
    living = [s for s in seen.values() if s.state not in {"shutting-down", "terminated"}]
    suspects = [s.instance_id for s in living if s.instance_id not in known]
    return frozenset(id_ for id_ in suspects if not _has_open_record(fleet, id_))


def _has_open_record(fleet: Fleet, instance_id: str) -> bool:
    record = fleet.instance_of(instance_id)
    return record is not None and record.open


def _keep(queue: QueueRecord) -> timedelta:
    return QueueConfig.from_json(queue.config).keep_failed if queue.config else timedelta(0)


def _perform(actions: list[ReapAction], ports: ReapPorts, now: datetime) -> Outcome:
    outcome = Outcome()
    outcome.perform(actions, lambda action: apply(action, ports, now))
    outcome.alarms.extend((a.metric, a.reason) for a in actions if isinstance(a, Alarm))
    return outcome


def apply(action: ReapAction, ports: ReapPorts, now: datetime) -> None:
    """Perform one action."""
    match action:
        case Write():
            ports.fleet.write(action.changes)
        case KeepWords():
            ports.words.keep(action.instance.instance_id or "", _text(action, ports), now)
            if action.then:
                ports.fleet.write(action.then)
        case Terminate():
            ports.machines.terminate(action.instance_ids)
        case Notify():
            ports.mailbox.notice(action.row, action.text, now + NOTICE_LIFE)
        case Clear():
            ports.mailbox.remove(action.rows)
        case Nudge():
            ports.nudges.send(action.reason)
        case Alarm():
            log.error("%s: %s", action.metric, action.reason)
        case _:
            assert_never(action)


def _text(action: KeepWords, ports: ReapPorts) -> str:
    """The reason, the host's own words and its console: all that is left of a failed host."""
    instance = action.instance
    try:
        console = ports.machines.console(instance.instance_id or "")
    except NotFound:
        console = "(EC2 has no console output of it any more)"
    steps = "\n".join(f"  {s.at:%H:%M:%S} {s.state}: {s.reason}" for s in instance.history)
    title = f"{instance.instance_id} of queue {instance.queue}, launch {instance.key}"
    return "\n".join(
        (
            f"{title}: {action.reason}",
            f"history:\n{steps}",
            f"last words:\n{action.words or '(none)'}",
            f"console:\n{console or '(none)'}",
        )
    )
