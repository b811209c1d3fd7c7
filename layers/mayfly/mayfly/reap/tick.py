"""One tick of `reap`: close what is gone, end what overstays, watch what is unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from mayfly.events import StateChanged
from mayfly.reap.apply import Applier
from mayfly.reap.decide import decide, warn
from mayfly.reap.gather import gather, gather_one, read_reports
from mayfly.reap.ports import ReapPorts
from mayfly.records.about import fields
from mayfly.records.model import Instance
from mayfly.tick.outcome import Outcome
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report

_GOING_DOWN = frozenset({"shutting-down", "stopping"})
_TRIES = 3
"""How often an event is acted on while other functions are faster."""


def tick(ports: ReapPorts, now: datetime) -> Outcome:
    """Gather, decide, apply."""
    outcome = Outcome()
    with outcome.noting("records and instances"):
        Applier(ports, outcome, now).carry_out(decide(gather(ports), now))
    return outcome


def warned(ports: ReapPorts, instance_id: str, until: datetime, now: datetime) -> Outcome:
    """Act on a spot warning for that time. Ids without a record are ignored."""

    def act(outcome: Outcome) -> None:
        instance = ports.fleet.instance_of(instance_id)
        if instance is not None:
            Applier(ports, outcome, now).take(warn(instance, until, now))

    return _unless_outrun(f"the spot warning for {instance_id}", instance_id, act)


def changed(ports: ReapPorts, change: StateChanged, now: datetime) -> Outcome:
    """Decide about one instance whose state has changed. Ids without a record are ignored.

    Only this instance is read: a burst of ends must not read the whole fleet once for each.
    """
    reports: dict[str, Report] = {}

    def act(outcome: Outcome) -> None:
        instance = ports.fleet.instance_of(change.instance_id)
        if instance is not None and instance.open:
            # Those of a first try stay: its rows may be gone since.
            reports.update(read_reports(ports.mailbox, [instance]))
            if _is_news(instance, change.state, reports):
                view = gather_one(ports, instance, reports)
                Applier(ports, outcome, now).carry_out(decide(view, now))

    return _unless_outrun(f"the state change of {change.instance_id}", change.instance_id, act)


def _unless_outrun(what: str, instance_id: str, act: Callable[[Outcome], None]) -> Outcome:
    """Act on an event, and again where another function moved the record on meanwhile.

    The job of a short command has often ended when `dispatch` notes that it runs. Nobody tells of
    an event twice, and the next tick of all is up to a minute away.
    """
    outcome = Outcome()
    for _ in range(_TRIES):
        current = Outcome()
        with current.noting(what, fields(instances=[instance_id])):
            act(current)
        outcome.add(current)
        if not current.lost_races:
            break
    return outcome


def _is_news(instance: Instance, state: str, reports: Mapping[str, Report]) -> bool:
    """Whether a tick would learn anything: many instances end at once, and each is told of twice.

    A host that is done goes down, as it said; what is to be done comes with its end.
    """
    report = reports.get(instance.sandbox_row or "")
    return state not in _GOING_DOWN or report is None or report.phase is not Phase.DONE
