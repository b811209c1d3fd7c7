"""Complete records for the contract suites; a test changes fields by keyword."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly.records.audit import ParameterChange, SpecChange
from mayfly.records.ledger import Ledger, Losses
from mayfly.records.model import (
    Claim,
    Heard,
    Instance,
    Launch,
    Lease,
    Pinned,
    QueueRecord,
    Shape,
    SlotKey,
    Step,
    Stray,
)
from mayfly.records.standing import LeftAlone, Standing, Target
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly.records.why import Code, Why

NOW = datetime(2026, 11, 20, 9, 30, 0, 250000, tzinfo=UTC)
SHAPE = Shape("deploy", "x86_64", ("m7i.large", "m7a.large"), "spot-then-on-demand")
WHY = Why(Code.NO_CAPACITY, "EC2 has none", NOW, NOW + timedelta(seconds=40), str(SHAPE))
PINNED = Pinned("arn:bootstrap", "arn:sandbox", "AROABOOT", "AROASAND", script_minutes=15)


def a_claim(job: str = "job-1", **changes: Any) -> Claim:
    claim = Claim(
        job=job,
        queue="deploy",
        shape=SHAPE,
        state=ClaimState.WAITING,
        since=NOW,
        runnable_at=NOW - timedelta(seconds=3),
        priority=-2,
        pipeline="web",
        build=41,
        why=WHY,
        history=(Step("waiting", NOW, "first seen"),),
    )
    return replace(claim, **changes)


def an_instance(number: int = 0, launch: str = "l1", **changes: Any) -> Instance:
    instance = Instance(
        key=SlotKey(launch, number),
        queue="deploy",
        shape=SHAPE,
        state=InstanceState.REQUESTED,
        since=NOW,
        created=NOW,
        spec="spec-1",
        pinned=PINNED,
    )
    return replace(instance, **changes)


def a_launch(name: str = "l1", **changes: Any) -> Launch:
    launch = Launch(
        id=name,
        queue="deploy",
        shape=SHAPE,
        state=LaunchState.OPEN,
        since=NOW,
        created=NOW,
        request='{"LaunchTemplateConfigs": []}',
        slots=2,
        spec="spec-1",
        market="spot",
        errors=("InsufficientInstanceCapacity: none left",),
    )
    return replace(launch, **changes)


def a_ledger(**changes: Any) -> Ledger:
    ledger = Ledger(
        queue="deploy",
        epoch=NOW,
        next_launch=3,
        live=5,
        recent=((NOW, 2), (NOW - timedelta(seconds=30), 3)),
        retry_at={str(SHAPE): NOW + timedelta(seconds=5)},
        misses={str(SHAPE): 2},
        refusals={str(SHAPE): "VcpuLimitExceeded: more than 32"},
        losses={str(SHAPE): Losses(2, NOW, "instance i-1: Server.SpotInstanceTermination")},
        idle_ends={str(SHAPE): Losses(3, NOW, "instance i-2: the instance was stopped")},
    )
    return replace(ledger, **changes)


def a_queue(name: str = "deploy", **changes: Any) -> QueueRecord:
    return replace(QueueRecord(name, "{}", "{}", "spec-1", ("pool/hot: no number",)), **changes)


def a_stray(instance_id: str = "i-1") -> Stray:
    return Stray(instance_id, NOW)


def a_change(name: str = "/mayfly/acme/queues/deploy/pool/hot", **changes: Any) -> ParameterChange:
    return replace(ParameterChange(name, NOW, "3", "5", number=2), **changes)


def a_spec_change(queue: str = "deploy", **changes: Any) -> SpecChange:
    return replace(SpecChange(queue, NOW, "spec-1", "spec-2", ("recycle",)), **changes)


def a_lease(**changes: Any) -> Lease:
    heard = Heard(NOW, NOW - timedelta(minutes=2), "401: no such token")
    return replace(Lease("invocation-1", 1, NOW + timedelta(seconds=15), heard), **changes)


def a_standing(queue: str = "deploy", **changes: Any) -> Standing:
    standing = Standing(
        queue=queue,
        function="provision",
        at=NOW,
        reasons=(WHY,),
        left=(LeftAlone("job-2", "web", 41, "train", replace(WHY, code=Code.PAUSED), NOW),),
        left_total=1,
        held=1,
        waiting=3,
        oldest=NOW - timedelta(minutes=4),
        hot=Target(4, "Mon-Fri 08:00-18:00", NOW + timedelta(hours=2)),
    )
    return replace(standing, **changes)
