"""Gathers one queue's view for `provision`: demand, supply, open launches and ledger."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from mayfly.config.infra import Infra
from mayfly.config.queue import in_force
from mayfly.errors import NotFound
from mayfly.ports import Fleet
from mayfly.provision.missing import wants_turns
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.retire import is_beyond_limit, wants_arrivals
from mayfly.provision.unlisted import STOPPED, SUPPLY, recent_slots, unlisted_slots
from mayfly.provision.verdicts import shared_policies, subject, why_not_known
from mayfly.provision.view import ProvisionView
from mayfly.records.ledger import Ledger
from mayfly.records.model import Instance, Launch, QueueRecord, SlotKey
from mayfly.records.states import Agent, claim_states
from mayfly.records.turns import busy_pipelines

WAITING = claim_states(lambda claim: claim.waits)
SHOWN_WITHIN = timedelta(minutes=1)
"""Age of launches whose slots the index may not show yet; before a launch, see `confirmed`."""
WITH_INSTANCE = claim_states(lambda claim: claim.bound or claim.agent is Agent.RUNS)


def gather(record: QueueRecord, ports: ProvisionPorts, now: datetime) -> ProvisionView:
    """The view of one queue. Raises Misconfigured when its stack published unreadable values."""
    fleet, queue = ports.fleet, record.queue
    infra = Infra.parse(queue, ports.stack, record.infra)
    launches = [
        (launch, slots)
        for launch in fleet.launches(queue)
        if (slots := _requested_slots(fleet, launch)) is not None
    ]
    ledger = fleet.ledger(queue) or Ledger(queue, epoch=now)
    supply = fleet.instances(queue, SUPPLY)
    recent = recent_slots(ports.stack, ledger, now, SHOWN_WITHIN)
    known = (*supply, *unlisted_slots(fleet, recent, supply))
    view = ProvisionView(
        stack=ports.stack,
        infra=infra,
        spec=record.spec,
        waiting=tuple(fleet.claims(queue, WAITING)),
        instances=tuple(i for i in known if i.state not in STOPPED),
        stopped=tuple(i for i in known if i.state in STOPPED),
        launches=tuple(launch for launch, _ in launches),
        slots={launch.id: slots for launch, slots in launches},
        ledger=ledger,
        zones=dict(record.zones),
        refused=_why_refused(record, infra, ports, now),
    )
    view = replace(view, paused=_is_paused(record, view, fleet, now))
    config = in_force(record)
    if config is None or not (
        wants_arrivals(view, config, now)
        or is_beyond_limit(view, config)
        or wants_turns(view, config)
    ):
        return view
    claims = fleet.claims(queue, WITH_INSTANCE)
    arrived = tuple(c for c in claims if now - c.runnable_at < config.grace)
    pipelines = busy_pipelines(claims)
    return replace(view, arrived=arrived, busy=len(claims), busy_pipelines=pipelines)


def _is_paused(record: QueueRecord, view: ProvisionView, fleet: Fleet, now: datetime) -> bool:
    """Whether the queue is paused at Buildkite.

    Read again, consistently, where that would keep reserved jobs waiting: the index by which the
    records are read may lag behind the end of a pause, which wakes `provision` only once.
    """
    if not record.paused_at_buildkite or not any(c.reserved(now) for c in view.waiting):
        return record.paused_at_buildkite
    present = fleet.queue(record.queue)
    return present is not None and present.paused_at_buildkite


def _requested_slots(fleet: Fleet, launch: Launch) -> tuple[Instance, ...] | None:
    """Slots of an open launch that wait for EC2's answer, by consistent reads.

    The index may lag, and a slot that is missing when the answer is recorded would wait forever
    while its instance stays unknown. So returns None, which leaves the launch open, while a slot
    cannot be read.
    """
    slots = fleet.slots([SlotKey(launch.id, number) for number in range(launch.slots)])
    if slots.unreadable:
        return None
    return tuple(slot for slot in slots if slot.state.traits.awaits_launch)


def _why_refused(record: QueueRecord, infra: Infra, ports: ProvisionPorts, now: datetime) -> str:
    """Why no instance may have the queue's roles; empty when instances may."""
    try:
        bootstrap = ports.roles.policies(infra.bootstrap_role)
        sandbox = ports.roles.policies(infra.sandbox_role)
    except NotFound as error:
        return f"a role of the queue does not exist: {error}"
    if shared := shared_policies(bootstrap, sandbox, ports.stack):
        return shared
    about = subject(infra, bootstrap, sandbox, ports.token_parameter)
    refused = record.roles.refused if record.roles is not None else ""
    return why_not_known(record.roles, about, now) or refused
