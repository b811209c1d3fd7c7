"""Runs the decisions of `provision` and bindings of `dispatch` over what the tool has read. Pure.

The tool may not ask Buildkite, EC2 or IAM. So jobs that no queue has reserved yet are not in the
plan, and the verdict on the queue's roles is the last one of the record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from mayfly.config.infra import Infra
from mayfly.config.queue import QueueConfig
from mayfly.dispatch.bound import bind
from mayfly.dispatch.view import QueueView as DispatchView
from mayfly.errors import Misconfigured
from mayfly.provision.decide import decide, next_change
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import Ledger
from mayfly.records.states import Supply
from mayfly.records.turns import busy_pipelines, has_instance
from mayfly.records.why import Why
from mayfly_cli.operations.granted import named
from mayfly_cli.operations.reading import QueueView, StackView
from mayfly_cli.operations.reasons import told
from mayfly_cli.operations.screen import Block, Document, Mood, Span, line
from mayfly_cli.operations.words import at


@dataclass(frozen=True, slots=True)
class Step:
    """One action that a tick would perform now."""

    function: str
    action: str
    """The action's name in the code, such as `RecordLaunch`."""
    reason: str


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The next tick of one queue."""

    queue: str
    steps: tuple[Step, ...]
    next_change: datetime | None
    """When equal facts give another decision of `provision`; None for no such time."""
    reasons: tuple[Why, ...]
    """What holds more back, as the functions said last."""
    error: str = ""
    """Why there is no plan; empty where there is one."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next tick of each queue."""

    stack: str
    now: datetime
    queues: tuple[QueuePlan, ...]

    @property
    def needs_person(self) -> bool:
        """Whether a queue cannot be planned, or waits for a person."""
        return any(
            each.error or any(why.code.needs_person for why in each.reasons) for each in self.queues
        )

    def document(self) -> Document:
        """The steps of each queue, and why there are not more."""
        found: list[Block] = []
        for each in self.queues:
            found.append(line(Span(each.queue, Mood.STRONG)))
            if each.error:
                found.append(line(Span(each.error, Mood.BAD), indent=2))
            found.extend(
                line(f"{step.function:<9}  {step.reason}", indent=2) for step in each.steps
            )
            if not each.steps and not each.error:
                found.append(line("nothing to do", indent=2))
            found.extend(
                line("held back  ", *told(why, self.now), indent=2) for why in each.reasons
            )
            if each.next_change is not None:
                when = at(each.next_change, self.now, seconds=True)
                found.append(line(f"without news, the next change is at {when}", indent=2))
        return tuple(found)


def plan_of(view: StackView) -> Plan:
    """The plan of these queues."""
    queues = tuple(_plan(each, view.stack, view.now) for each in view.queues)
    return Plan(view.stack, view.now, queues)


def _plan(view: QueueView, stack: str, now: datetime) -> QueuePlan:
    try:
        infra = Infra.parse(view.queue, stack, view.record.infra)
    except Misconfigured as error:
        return QueuePlan(view.queue, (), None, view.reasons, str(error))
    if view.config is None:
        return QueuePlan(view.queue, (), None, view.reasons, "there is no good configuration")
    seen = provision_view(view, infra, stack, now)
    steps = (
        *_bindings(view, view.config, now),
        *(
            Step("provision", type(action).__name__, action.reason)
            for action in decide(seen, view.config, now)
        ),
    )
    return QueuePlan(view.queue, steps, next_change(seen, view.config, now), view.reasons)


def provision_view(view: QueueView, infra: Infra, stack: str, now: datetime) -> ProvisionView:
    """What `provision` would see, as far as the tool may read it."""
    bound = [claim for claim in view.claims if has_instance(claim)]
    slots = {
        launch.id: tuple(
            each
            for each in view.instances
            if each.key.launch == launch.id and each.state.traits.awaits_launch
        )
        for launch in view.launches
    }
    grace = view.config.grace if view.config is not None else None
    return ProvisionView(
        stack=stack,
        infra=infra,
        spec=view.record.spec,
        waiting=tuple(claim for claim in view.claims if claim.state.traits.waits),
        instances=tuple(i for i in view.instances if i.state.traits.supply is not Supply.NONE),
        launches=view.launches,
        slots=slots,
        ledger=view.ledger if view.ledger is not None else Ledger(view.queue, epoch=now),
        arrived=tuple(c for c in bound if grace is not None and now - c.runnable_at < grace),
        busy=len(bound),
        busy_pipelines=busy_pipelines(bound),
        zones=dict(view.record.zones),
        paused=view.record.paused_at_buildkite,
        refused=view.record.roles.refused if view.record.roles is not None else "",
    )


def _bindings(view: QueueView, config: QueueConfig, now: datetime) -> Iterator[Step]:
    seen = DispatchView(
        spec=view.record.spec,
        claims=view.claims,
        ready=tuple(i for i in view.instances if i.state.traits.supply is Supply.READY),
        paused=view.record.paused_at_buildkite,
        active=view.record.active,
    )
    for each in bind(seen, config, now):
        grants = each.assignment.grants
        words = named(grants).words() if grants is not None else ()
        reason = "; ".join((each.reason, *(f"{what} {name}" for what, name in words)))
        yield Step("dispatch", type(each).__name__, reason)
