"""Reads from EC2 what a tick must know of stopped instances: lost calls, and profiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

from mayfly.answers import Association, Ec2Instance
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

Associations: TypeAlias = Mapping[str, tuple[Association, ...]]

SECONDS = 5.0
"""Longest wait for EC2. Without an answer nothing is started, and jobs get no launch in its place:
the next tick comes within seconds."""
_PROFILES = "profiles of stopped instances"
_STATES = "states of instances that stop or start"


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
    ids = {
        _PROFILES: [i.instance_id for i in wanted if i.instance_id],
        _STATES: [i.instance_id for i in lost if i.instance_id],
    }
    reads: dict[str, Callable[[], Associations | Sequence[Ec2Instance]]] = {
        _PROFILES: partial(ports.machines.associations, ids[_PROFILES]),
        _STATES: partial(ports.machines.instances_of, ids[_STATES]),
    }
    needed = {what: read for what, read in reads.items() if ids[what]}
    for what, answer in side_by_side(needed, at_once=len(reads), seconds=SECONDS).items():
        if isinstance(answer, FAILURES):
            about = fields(queues=[view.infra.queue], instances=ids[what])
            outcome.failed(what, answer, about)
        elif isinstance(answer, Mapping):
            view = replace(view, profiles=answer)
        else:
            view = replace(view, power={each.instance_id: each.state for each in answer})
    return view
