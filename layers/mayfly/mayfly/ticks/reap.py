"""One tick of `reap`: close what is gone, end what overstays, watch what is unknown."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from mayfly.actions import Alarm, Clear, KeepWords, Notify, Nudge, ReapAction, Terminate, Write
from mayfly.config.queue import QueueConfig
from mayfly.decide.reap import ReapView, decide, wants_console, warn
from mayfly.errors import Conflict, MayflyError, Misconfigured, NotFound, Transient
from mayfly.events import StateChanged
from mayfly.model import Instance, QueueRecord, SlotKey
from mayfly.ports import Change, Fleet, LastWords, Machines, Mailbox, Nudges, Report, Save, Seen
from mayfly.states import OPEN_INSTANCES, ClaimState
from mayfly.ticks.outcome import Outcome

log = logging.getLogger("mayfly")

_GOING_DOWN = frozenset({"shutting-down", "stopping"})
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
    outcome = Outcome()
    with outcome.noting("records and instances"):
        actions = decide(gather(ports), now)
        _perform(actions, ports, outcome, now)
    return outcome


def warned(ports: ReapPorts, instance_id: str, until: datetime, now: datetime) -> Outcome:
    """Act on a spot warning for that time; an id that is not ours is none of our business."""
    outcome = Outcome()
    with outcome.noting(f"the spot warning for {instance_id}"):
        instance = ports.fleet.instance_of(instance_id)
        if instance is not None:
            _perform(warn(instance, until, now), ports, outcome, now)
    return outcome


def changed(ports: ReapPorts, change: StateChanged, now: datetime) -> Outcome:
    """Look after one instance whose state has changed; an id that is not ours is nobody's business.

    Only after that one: a burst of ends must not look through the whole fleet once for each.
    """
    outcome = Outcome()
    with outcome.noting(f"the state change of {change.instance_id}"):
        instance = ports.fleet.instance_of(change.instance_id)
        if instance is not None and instance.open:
            reports = _reports(ports.mailbox, [instance])
            if _is_news(instance, change.state, reports):
                _perform(decide(_gather_one(ports, instance, reports), now), ports, outcome, now)
    return outcome


def _is_news(instance: Instance, state: str, reports: Mapping[str, Report]) -> bool:
    """Whether a tick would learn anything: many instances end at once, and each is told of twice.

    A host that is done goes down, as it said; what is to be done comes with its end.
    """
    report = reports.get(instance.sandbox_row or "")
    return state not in _GOING_DOWN or report is None or report.phase != "done"


def gather(ports: ReapPorts) -> ReapView:
    """Records, EC2's view of everything with our tag, and the reports of those who run."""
    fleet = ports.fleet
    queues = fleet.queues()
    listed = tuple(i for q in queues for i in fleet.instances(q.queue, OPEN_INSTANCES))
    seen = {s.instance_id: s for s in ports.machines.instances()}
    overlooked, unknown = _unlisted(fleet, listed, seen)
    instances = (*listed, *overlooked)
    claims = [c for q in queues for c in fleet.claims(q.queue, {ClaimState.RUNNING})]
    running = {claim.slot: claim for claim in claims if claim.slot is not None}
    reports = _reports(ports.mailbox, instances)
    silent = [i for i in instances if wants_console(i, seen.get(i.instance_id or ""), reports)]
    return ReapView(
        instances=instances,
        seen=seen,
        reports=reports,
        running=running,
        ended=dict(_ended(fleet, sorted(running.keys() - {i.key for i in instances}))),
        open_launches=frozenset(x.id for q in queues for x in fleet.launches(q.queue)),
        strays={stray.instance_id: stray for stray in fleet.strays()},
        unknown=unknown,
        keep_failed={q.queue: _keep(q) for q in queues},
        consoles=dict(_consoles(ports.machines, silent)),
    )


def _gather_one(ports: ReapPorts, instance: Instance, reports: Mapping[str, Report]) -> ReapView:
    """The same of a single instance; nothing is said of strays, nor of whom EC2 does not show."""
    id_ = instance.instance_id or ""
    seen = ports.machines.instance(id_)
    claim = ports.fleet.claim(instance.job) if instance.job else None
    runs = claim is not None and (claim.state, claim.slot) == (ClaimState.RUNNING, instance.key)
    queue = ports.fleet.queue(instance.queue)
    silent = [instance] if wants_console(instance, seen, reports) else []
    return ReapView(
        instances=(instance,),
        seen={id_: seen} if seen else {},
        reports=reports,
        running={instance.key: claim} if claim is not None and runs else {},
        ended={},
        open_launches=frozenset(),
        strays={},
        unknown=frozenset(),
        keep_failed={instance.queue: _keep(queue)} if queue else {},
        consoles=dict(_consoles(ports.machines, silent)),
    )


def _unlisted(
    fleet: Fleet, listed: Iterable[Instance], seen: Mapping[str, Seen]
) -> tuple[tuple[Instance, ...], frozenset[str]]:
    """What EC2 shows and no list does, by consistent reads: open records, and ids without one.

    A list may lag, and has nothing of a queue whose record is gone.
    """
    known = {i.instance_id for i in listed}
    living = [s for s in seen.values() if s.state not in {"shutting-down", "terminated"}]
    suspects = [s.instance_id for s in living if s.instance_id not in known]
    records = {id_: fleet.instance_of(id_) for id_ in suspects}
    overlooked = tuple(record for record in records.values() if record and record.open)
    return overlooked, frozenset(records) - {record.instance_id for record in overlooked}


def _reports(mailbox: Mailbox, instances: Iterable[Instance]) -> Mapping[str, Report]:
    rows = [row for i in instances for row in (i.bootstrap_row, i.sandbox_row) if row]
    return mailbox.reports(rows) if rows else {}


def _ended(fleet: Fleet, slots: Iterable[SlotKey]) -> Iterator[tuple[SlotKey, str]]:
    """Those of the slots that are closed, and why."""
    for slot in slots:
        instance = fleet.instance(slot)
        if instance is None or not instance.open:
            yield slot, instance.reason if instance is not None else "it has no record any more"


def _consoles(machines: Machines, instances: Iterable[Instance]) -> Iterator[tuple[str, str]]:
    """The consoles of those that went without a word, as far as EC2 gives them."""
    for id_ in (i.instance_id for i in instances if i.instance_id):
        try:
            yield id_, machines.console(id_)
        except MayflyError as error:
            # Better a poorer reason than an instance whose record stays open.
            log.warning("the console of %s cannot be read: %s", id_, error)


def _keep(queue: QueueRecord) -> timedelta:
    try:
        return QueueConfig.from_json(queue.config).keep_failed if queue.config else timedelta(0)
    except Misconfigured:
        return timedelta(0)  # another version of Mayfly wrote it: `provision` reads it anew


def _perform(
    actions: Sequence[ReapAction], ports: ReapPorts, outcome: Outcome, now: datetime
) -> None:
    outcome.perform(actions, Applier(ports, now).apply)
    outcome.alarms.extend((a.metric, a.reason) for a in actions if isinstance(a, Alarm))


@dataclass(slots=True)
class Applier:
    """The actions of one tick."""

    ports: ReapPorts
    now: datetime
    behind: set[str | None] = field(default_factory=set)
    """Instances for which something must be tried again first.

    Nothing that builds on it is done: above all, nobody is terminated whose record another
    function has just moved on.
    """

    def apply(self, action: ReapAction) -> None:
        """Perform one action."""
        ports = self.ports
        match action:
            case Write():
                self._write(action.changes)
            case KeepWords():
                self._keep_words(action)
            case Terminate():
                ids = [id_ for id_ in action.instance_ids if id_ not in self.behind]
                if ids:
                    ports.machines.terminate(ids)
            case Notify():
                ports.mailbox.notice(action.row, action.text, self.now + NOTICE_LIFE)
            case Clear():
                self._clear(action.instance)
            case Nudge():
                ports.nudges.send(action.reason)
            case Alarm():
                log.error("%s: %s", action.metric, action.reason)
            case _:
                assert_never(action)

    def _write(self, changes: Sequence[Change]) -> None:
        records = [change.record for change in changes if isinstance(change, Save)]
        instances = [record for record in records if isinstance(record, Instance)]
        for instance in instances:
            self._check(instance)
        try:
            self.ports.fleet.write(changes)
        except MayflyError:
            self.behind.update(instance.instance_id for instance in instances)
            raise

    def _keep_words(self, action: KeepWords) -> None:
        with self._first(action.instance):
            text = _text(action, self.ports)
            self.ports.words.keep(action.instance.instance_id or "", text, self.now)
        if action.then:
            self._write(action.then)

    def _clear(self, instance: Instance) -> None:
        with self._first(instance):
            rows = (instance.bootstrap_row, instance.sandbox_row)
            self.ports.mailbox.remove([row for row in rows if row])

    @contextmanager
    def _first(self, instance: Instance) -> Iterator[None]:
        """What comes before the record is closed, and is tried again when it may work later.

        Only then: a log group that is gone must not keep a record open.
        """
        self._check(instance)
        try:
            yield
        except Transient:
            self.behind.add(instance.instance_id)
            raise

    def _check(self, instance: Instance) -> None:
        if instance.instance_id in self.behind:
            raise Conflict(f"what comes first for {instance.instance_id} did not come off")


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
