"""One tick of `reap` about all instances, or about the instances of events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mayfly.events import InstanceEvent, SpotWarning, StateChanged
from mayfly.reap.apply import Applier
from mayfly.reap.decide import awaited, decide, warn
from mayfly.reap.gather import gather, gather_ended, gather_some, read_reports
from mayfly.reap.ports import ReapPorts
from mayfly.reap.view import ReapView
from mayfly.reap.words import end_is_expected, split_silent
from mayfly.records.about import fields
from mayfly.records.model import Instance
from mayfly.tick.edge import Edge
from mayfly.tick.outcome import Outcome
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

_GOING_DOWN = frozenset({"shutting-down", "stopping"})
_TRIES = 3
"""How often to try an event while other functions change the record first."""


def tick(ports: ReapPorts, edge: Edge) -> Outcome:
    """Gather, decide and apply for all instances, until the edge's `stop_at`."""
    outcome = Outcome()
    tick_all(ports, edge, outcome)
    return outcome


def tick_all(ports: ReapPorts, edge: Edge, outcome: Outcome) -> Mapping[str, datetime]:
    """One tick as of `tick`; its outcome is added to `outcome`.

    Returns by EC2 id when each host is overdue that has not taken its job yet (see `awaited`).
    """
    found: dict[str, datetime] = {}
    with outcome.noting("records and instances"):
        view, now = gather(ports), edge.clock()
        _carry_out(view, Applier(ports, outcome, now, edge))
        found.update(awaited(view, now))
    return found


def on_overdue(ports: ReapPorts, instance_id: str, edge: Edge) -> Outcome:
    """Decide about one instance with a job that it has not taken; others are ignored."""

    def act(outcome: Outcome) -> None:
        instance = ports.fleet.instance_of(instance_id)
        if instance is not None and instance.state.traits.awaits_acceptance:
            view = gather_some(ports, [instance], read_reports(ports.mailbox, [instance]))
            _carry_out(view, Applier(ports, outcome, edge.clock(), edge))

    return _retry_lost_races(f"the job of {instance_id}", [instance_id], act)


def _carry_out(view: ReapView, applier: Applier) -> None:
    """Decide and apply: first all that needs no console, last words last."""
    if view.unanswered is not None:
        what = f"ends of {len(view.instances)} instances, which EC2 alone can tell"
        asked = fields(instances=[i.instance_id or "" for i in view.instances])
        applier.outcome.failed(what, view.unanswered, asked)
    others, silent = split_silent(view)
    applier.carry_out(decide(others, applier.now))
    if silent.instances:
        consoles = applier.consoles(silent)
        applier.carry_out(decide(replace(silent, consoles=consoles), applier.now))
    if view.unanswered is not None:
        _close_by_answers(view, applier)
    applier.keep_words()


def _close_by_answers(view: ReapView, applier: Applier) -> None:
    """Close the instances that EC2 calls terminated in its answers to their termination.

    Only where the record has the reason of the end: the answers have none.
    """
    ended = sorted(id_ for id_, state in applier.states.items() if state == "terminated")
    found = applier.ports.fleet.instances_of(ended) if ended else ()
    instances = [each for each in found if each.state.traits.open and end_is_expected(each)]
    if instances:
        closing = gather_ended(applier.ports, instances, view.reports)
        applier.carry_out(decide(closing, applier.now))


def on_spot_warning(ports: ReapPorts, instance_id: str, until: datetime, edge: Edge) -> Outcome:
    """Act on a spot warning: EC2 ends the instance at `until`. Ids without a record are ignored."""
    return on_events(ports, [SpotWarning(instance_id, until)], edge)


def on_state_change(ports: ReapPorts, change: StateChanged, edge: Edge) -> Outcome:
    """Decide about one instance after a state change. Ids without an open record are ignored."""
    return on_events(ports, [change], edge)


def on_events(ports: ReapPorts, events: Sequence[InstanceEvent], edge: Edge) -> Outcome:
    """Act on events: spot warnings first, soonest end first. Ids without a record are ignored.

    Events of the account's other instances are many, and only these ids are read, all at once: a
    burst must not read the whole fleet each time. Repeated events of an instance count once.
    """
    ends, states = _by_instance(events)
    ids = sorted({*ends, *states})
    reports: dict[str, Report] = {}

    def act(outcome: Outcome) -> None:
        found = ports.fleet.instances_of(ids)
        for instance_id in sorted(found.unreadable):
            line = f"nothing is decided about {instance_id}: its record cannot be read"
            outcome.problem(line, fields(instances=[instance_id]))
        applier = Applier(ports, outcome, edge.clock(), edge)
        warned = [i for i in found if i.instance_id in ends]
        warned.sort(key=lambda i: (ends[str(i.instance_id)], i.key))
        doomed = applier.take_all(warn(i, ends[str(i.instance_id)], applier.now) for i in warned)
        changed = [i for i in found if i.instance_id in states and i.state.traits.open]
        # Keep the reports of an earlier try: the mailbox rows may be gone since.
        reports.update(read_reports(ports.mailbox, changed))
        due = [i for i in changed if _needs_decision(i, states[str(i.instance_id)], reports)]
        if due:
            told = {id_ for id_, state in states.items() if state == "terminated"}
            _carry_out(gather_some(ports, due, reports, told), applier)
        applier.terminate(doomed)

    return _retry_lost_races(f"the events of {', '.join(ids)}", ids, act)


def _by_instance(
    events: Iterable[InstanceEvent],
) -> tuple[Mapping[str, datetime], Mapping[str, str]]:
    """By EC2 id: the earliest end of its spot warnings, and the state that says most."""
    ends: dict[str, datetime] = {}
    states: dict[str, str] = {}
    for event in events:
        name = event.instance_id
        match event:
            case SpotWarning(until=until):
                ends[name] = min(until, ends.get(name, until))
            case StateChanged(state=state):
                # SQS reorders messages: an end stays an end when its beginning comes later.
                if name not in states or states[name] in _GOING_DOWN:
                    states[name] = state
    return ends, states


def _retry_lost_races(
    what: str, instance_ids: Sequence[str], act: Callable[[Outcome], None]
) -> Outcome:
    """Act on events, and again after a lost race, up to three times.

    A short job has often ended while `dispatch` still records that it runs. An event comes only
    once, and the next tick over all instances is up to a minute away.
    """
    outcome = Outcome()
    for _ in range(_TRIES):
        current = Outcome()
        with current.noting(what, fields(instances=instance_ids)):
            act(current)
        outcome.add(current)
        if not current.lost_races:
            break
    return outcome


def _needs_decision(instance: Instance, state: str, reports: Mapping[str, Report]) -> bool:
    """Whether a state change needs a decision. Each end brings two events, often many at once.

    Going down is no news from a host that has reported `done`; `terminated` will be.
    """
    report = reports.get(instance.sandbox_row or "")
    return state not in _GOING_DOWN or report is None or report.phase is not Phase.DONE
