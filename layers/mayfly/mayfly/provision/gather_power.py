"""Reads from EC2 what a tick must know of stopped instances: lost calls, and profiles."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial

from mayfly.config.queue import QueueConfig
from mayfly.config.shapes import matching
from mayfly.errors import FAILURES
from mayfly.provision.ports import ProvisionPorts
from mayfly.provision.switch import lost_calls, to_start
from mayfly.provision.view import ProvisionView
from mayfly.records.about import fields
from mayfly.records.states import InstanceState
from mayfly.tick.outcome import Outcome
from mayfly.tick.side_by_side import side_by_side

SECONDS = 5.0
"""Longest wait for EC2. Without an answer nothing is started, and jobs get no launch in its place:
the next tick comes within seconds."""


def with_power(
    view: ProvisionView,
    config: QueueConfig,
    ports: ProvisionPorts,
    outcome: Outcome,
    now: datetime,
) -> ProvisionView:
    """The view with EC2's states of lost calls, and with the profiles of instances to start."""
    waiting = matching(view.waiting, config)
    lost = lost_calls(view, now)
    starting = [i for i in lost if i.state is InstanceState.STARTING]
    wanted = [*to_start(replace(view, waiting=waiting), config, now), *starting]
    ids = [i.instance_id for i in wanted if i.instance_id]
    if ids:
        about = fields(queues=[view.infra.queue], instances=ids)
        read = partial(ports.machines.associations, ids)
        answer = side_by_side({"": read}, at_once=1, seconds=SECONDS)[""]
        if isinstance(answer, FAILURES):
            outcome.failed("profiles of stopped instances", answer, about)
        else:
            view = replace(view, profiles=answer)
    asked = [i.instance_id for i in lost if i.instance_id]
    if asked:
        about = fields(queues=[view.infra.queue], instances=asked)
        look = partial(ports.machines.instances_of, asked)
        seen = side_by_side({"": look}, at_once=1, seconds=SECONDS)[""]
        if isinstance(seen, FAILURES):
            outcome.failed("states of instances that stop or start", seen, about)
        else:
            view = replace(view, power={each.instance_id: each.state for each in seen})
    return view
