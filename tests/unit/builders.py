"""Builders of records, jobs, reports and EC2's answers; a test changes fields by keyword.

All belong to queue `deploy` of stack `ci`, as in `published`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly.answers import Association, Ec2Instance, Job
from mayfly.config.queue import QueueConfig
from mayfly.config.schedule import Schedule
from mayfly.records.changes import Save
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, Launch, Pinned, QueueRecord, Shape, SlotKey, Step
from mayfly.records.states import ClaimState, InstanceState, LaunchState
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.unit.published import arn, queue_stack

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STACK, QUEUE, SPEC = "ci", "deploy", "spec-now"
BOOTSTRAP = arn("instance-profile", "bootstrap")
SANDBOX = arn("instance-profile", "sandbox")
BOOTSTRAP_ID, SANDBOX_ID = "AROABOOTSTRAPAAAAAAAA", "AROASANDBOXAAAAAAAAAA"
TYPES = ("m7i.large", "m6i.large")
SHAPE = Shape(QUEUE, "x86_64", TYPES, "on-demand")
PINNED = Pinned(BOOTSTRAP, SANDBOX, BOOTSTRAP_ID, SANDBOX_ID)
LAUNCH = "launch-1"


def ago(minutes: float = 0, *, seconds: float = 0) -> datetime:
    """A time before NOW."""
    return NOW - timedelta(minutes=minutes, seconds=seconds)


def later(minutes: float = 0, *, seconds: float = 0) -> datetime:
    """A time after NOW."""
    return NOW + timedelta(minutes=minutes, seconds=seconds)


def a_config(**changes: Any) -> QueueConfig:
    """The queue's configuration; two instance types keep assertions short. `hot` may be a count."""
    if isinstance(changes.get("hot"), int):
        changes["hot"] = Schedule(changes["hot"])
    return QueueConfig(**{"queue": QUEUE, "instance_types": TYPES, **changes})


def a_queue(**changes: Any) -> QueueRecord:
    """The queue's record as `provision` leaves it."""
    config = changes.pop("config", a_config()).to_json()
    made = QueueRecord(QUEUE, infra=queue_stack(), config=config, spec=SPEC, version=1)
    return replace(made, **changes)


def a_job(name: str = "job-1", **changes: Any) -> Job:
    """A job as Buildkite lists it, with a rule for its queue."""
    rules = changes.pop("rules", (f"queue={QUEUE}",))
    made = Job(name, 0, rules, ago(1), pipeline="web", build=7, branch="main", step="test")
    return replace(made, **changes)


def a_claim(job: str = "job-1", **changes: Any) -> Claim:
    """A waiting claim, reserved for five minutes."""
    made = Claim(
        job=job,
        queue=QUEUE,
        shape=SHAPE,
        state=ClaimState.WAITING,
        since=NOW,
        runnable_at=ago(1),
        reserved_until=later(5),
        version=1,
    )
    return replace(made, **changes)


def assigned(job: str = "job-1", number: int = 0, **changes: Any) -> Claim:
    """A claim bound to the instance in a slot; its token is valid for five minutes."""
    bound = {
        "state": ClaimState.ASSIGNED,
        "slot": slot(number),
        "token_until": later(5),
    }
    return a_claim(job, **{**bound, **changes})


def slot(number: int = 0, launch: str = LAUNCH) -> SlotKey:
    """The key of a slot."""
    return SlotKey(launch, number)


def ec2_id(number: int = 0) -> str:
    """The EC2 id of the instance in a slot."""
    return f"i-{number:017x}"


def an_instance(
    state: InstanceState = InstanceState.READY, number: int = 0, **changes: Any
) -> Instance:
    """An instance that has just entered a state, with the fields which that state implies."""
    launched = state is not InstanceState.REQUESTED
    busy = state in {InstanceState.ASSIGNED, InstanceState.RUNNING, InstanceState.DONE}
    stopped = {InstanceState.STOPPING, InstanceState.STOPPED, InstanceState.STARTING}
    proven = busy or state is InstanceState.READY or state in stopped
    made = Instance(
        key=slot(number),
        queue=QUEUE,
        shape=SHAPE,
        state=state,
        since=NOW,
        created=ago(2),
        spec=SPEC,
        pinned=PINNED,
        instance_id=ec2_id(number) if launched else None,
        boot=f"boot-{number}" if proven else None,
        proven=proven,
        job=f"job-{number + 1}" if busy else None,
        max_minutes=720 if busy else 0,
        version=3,
    )
    return replace(made, **changes)


def a_launch(slots: int = 1, **changes: Any) -> Launch:
    """An open launch that was recorded just now."""
    made = Launch(
        id=LAUNCH,
        queue=QUEUE,
        shape=SHAPE,
        state=LaunchState.OPEN,
        since=NOW,
        created=NOW,
        request="{}",
        slots=slots,
        spec=SPEC,
        market="on-demand",
        history=(Step(LaunchState.OPEN, NOW, "more is wanted"),),
        version=1,
    )
    return replace(made, **changes)


def a_ledger(**changes: Any) -> Ledger:
    """The queue's ledger before anything was launched."""
    return replace(Ledger(QUEUE, epoch=ago(60), version=1), **changes)


def row(instance: Instance, side: str = "sandbox") -> str:
    """The key of the sandbox row, or of the bootstrap row, of an instance."""
    key = instance.sandbox_row if side == "sandbox" else instance.bootstrap_row
    assert key is not None
    return key


def a_report(phase: str, boot: str = "boot-0", **changes: Any) -> Report:
    """A report as a host writes it."""
    return replace(Report(Phase(phase), boot), **changes)


def shown(
    profile: str = SANDBOX, state: str = "associated", number: int = 0, name: str = "iip-assoc-1"
) -> Association:
    """An association as EC2 shows it."""
    return Association(name, ec2_id(number), profile, state)


def seen(number: int = 0, state: str = "running", **changes: Any) -> Ec2Instance:
    """An instance as EC2 shows it."""
    return replace(Ec2Instance(ec2_id(number), state, LAUNCH, QUEUE, ago(2)), **changes)


def saves(action: object) -> dict[str, Any]:
    """The records that an action saves, by their kind; the last of each kind counts."""
    changes: Iterable[object] = getattr(action, "changes", ())
    return {type(c.record).__name__: c.record for c in changes if isinstance(c, Save)}
