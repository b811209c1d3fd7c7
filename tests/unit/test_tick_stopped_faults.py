"""Ticks: what becomes of job, instance and pool when a stop or a start goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from mayfly.errors import Conflict, Failure, Misconfigured, NotFound, Transient
from mayfly.records.model import Instance
from mayfly.records.standing import Standing
from mayfly.records.states import InstanceState
from mayfly.records.why import Code
from tests.unit import invariants
from tests.unit.builders import BOOTSTRAP
from tests.unit.hosts import Hosts
from tests.unit.test_tick_stopped import POOL, S, run, with_a_pool
from tests.unit.world import World, a_world

pytestmark = pytest.mark.slow

Strike = Callable[[World, str], object]
"""Breaks something about the instance with this id."""
FOREVER = 999


def refuses(call: str, error: Failure, times: int = FOREVER) -> Strike:
    """EC2 refuses a call, so many times."""
    return lambda world, _: world.machines.fail_next(call, error, times=times)


def sticks(world: World, instance_id: str) -> None:
    """The instance stays `stopping`, or `pending` after its start."""
    world.machines.stuck.add(instance_id)


def falls_back(world: World, instance_id: str) -> None:
    """Each start ends where it began, as after an error inside EC2."""
    machine, settle = world.machines.machines[instance_id], world.machines.settle

    def settled(*ids: str) -> None:
        if machine.seen.state == "pending":
            machine.seen = replace(machine.seen, state="stopped", reason="Server.InternalError")
        settle(*ids)

    world.machines.settle = settled  # type: ignore[method-assign]  # this world's EC2 alone


def vanishes(world: World, instance_id: str) -> None:
    """EC2 does not know the instance any more."""
    world.machines.forget(instance_id)


def is_terminated(world: World, instance_id: str) -> None:
    """Somebody terminates the instance."""
    world.machines.end(instance_id, "Client.UserInitiatedShutdown")


def is_started_by_somebody(world: World, instance_id: str) -> None:
    """Somebody starts the instance, and EC2's event wakes `reap`."""
    world.machines.start([instance_id])
    world.reap()


def is_started_in_the_same_moment(world: World, instance_id: str) -> None:
    """Somebody starts the instance, and no function has seen it when Mayfly starts it too."""
    world.machines.start([instance_id])


def gets(profile: str) -> Strike:
    """Somebody gives the stopped instance a profile."""
    return lambda world, instance_id: world.machines.give(instance_id, profile)


@dataclass(frozen=True, slots=True)
class AtStart:
    """A fault that strikes a stopped instance just before a job needs it."""

    strike: Strike
    says: str
    """Words of the reason in the instance's history."""
    serves: bool | None = False
    """Whether the instance itself runs the job; None where the pool's next one may be first."""
    starts: int = 1
    """How often Mayfly commanded a start."""
    stays: bool = False
    """Whether the instance is still in the pool when the job has run."""
    minutes: float = 2
    """Time until the job has run."""


ADMIN = "arn:aws:iam::1:instance-profile/admin"
AT_START = {
    "throttled for a moment": AtStart(
        refuses("start", Transient("RequestLimitExceeded"), 2),
        "has proven its sandbox again",
        serves=None,
    ),
    "throttled for long": AtStart(
        refuses("start", Transient("RequestLimitExceeded")),
        "EC2 has not started the instance for 30 seconds",
        stays=True,
    ),
    "refused because of its state, once": AtStart(
        refuses("start", Conflict("IncorrectInstanceState"), 1),
        "has proven its sandbox again",
        serves=None,
    ),
    "refused because of its state, always": AtStart(
        refuses("start", Conflict("IncorrectInstanceState")),
        "EC2 has not started the instance for 30 seconds",
        stays=True,
    ),
    "refused for ever": AtStart(
        refuses("start", Misconfigured("UnsupportedOperation")),
        "EC2 refused to start the instance: UnsupportedOperation",
    ),
    "unknown to EC2 at the call": AtStart(
        refuses("start", NotFound("InvalidInstanceID.NotFound"), 1),
        "EC2 refused to start the instance: InvalidInstanceID.NotFound",
    ),
    "gone before the call": AtStart(
        vanishes, "EC2 shows no profile in place of its sandbox profile", starts=0
    ),
    "terminated by somebody": AtStart(
        is_terminated, "EC2 shows no profile in place of its sandbox profile", starts=0
    ),
    "hangs in pending": AtStart(
        sticks, "starting for longer than 5 minutes (launch/boot-minutes)", minutes=8
    ),
    "falls back to stopped": AtStart(
        falls_back, "EC2 has not started the instance for 30 seconds", stays=True
    ),
    "started by somebody": AtStart(
        is_started_by_somebody, "the stopped instance was started from outside", starts=0
    ),
    # The boot has Mayfly's order, and passes the whole gate.
    "started in the same moment": AtStart(
        is_started_in_the_same_moment, "has proven its sandbox again", serves=True
    ),
    "given the bootstrap profile": AtStart(gets(BOOTSTRAP), f"EC2 shows {BOOTSTRAP}", starts=0),
    "given another profile": AtStart(gets(ADMIN), f"EC2 shows {ADMIN}", starts=0),
}


def reasons(instance: Instance) -> str:
    return "; ".join([step.reason for step in instance.history] + [instance.reason])


def at_rest(world: World, hosts: Hosts) -> None:
    """Assert that nothing is left, once the pool is given up and EC2 obeys again."""
    world.configure(**{"pool/hot": "0", "pool/stopped": "0"})
    vars(world.machines).pop("settle", None)
    world.machines._script.clear()
    world.machines.stuck.clear()
    for seconds in (*[1] * 8, *[61] * 22, *[1] * 8):
        run(world, hosts, rounds=1, seconds=seconds)
    invariants.at_rest(world)


@pytest.mark.parametrize("fault", AT_START)
def test_a_job_runs_once_whatever_befalls_the_instance_that_is_to_start(fault: str) -> None:
    row = AT_START[fault]
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    row.strike(world, str(stopped.instance_id))
    world.schedule("job-1")
    run(world, hosts, rounds=int(row.minutes * 15), seconds=4)
    assert hosts.ran == {"job-1": 1}
    assert row.serves in {None, str(stopped.instance_id) in hosts.served}
    record = world.fleet.instance(stopped.key)
    assert record is not None
    assert row.says in reasons(record)
    assert record.starts == row.starts
    if row.serves is not None:
        assert (record.state is S.STOPPED) is row.stays
        assert record.open is row.stays or fault.startswith("gone")
    at_rest(world, hosts)


@dataclass(frozen=True, slots=True)
class AtStop:
    """A fault that strikes an instance when it is to be stopped for the pool."""

    strike: Strike
    says: str
    told: Code | None = None
    """What the standing says while it lasts, after a minute and before the end."""
    stops: bool = False
    """Whether the instance is in the pool in the end."""


AT_STOP = {
    "throttled for a moment": AtStop(
        refuses("stop", Transient("RequestLimitExceeded"), 3), "EC2 shows the instance stopped",
        stops=True,
    ),
    "throttled for long": AtStop(
        refuses("stop", Transient("RequestLimitExceeded")),
        "stopping for longer than 15 minutes", Code.STOP_REFUSED,
    ),
    "refused because of its state, once": AtStop(
        refuses("stop", Conflict("IncorrectInstanceState"), 1), "EC2 shows the instance stopped",
        stops=True,
    ),
    "refused because of its state, always": AtStop(
        refuses("stop", Conflict("IncorrectInstanceState")),
        "stopping for longer than 15 minutes", Code.STOP_REFUSED,
    ),
    "refused for ever": AtStop(
        refuses("stop", Misconfigured("UnsupportedOperation"), 1),
        "EC2 refused to stop the instance: UnsupportedOperation",
    ),
    "unknown to EC2": AtStop(
        refuses("stop", NotFound("InvalidInstanceID.NotFound"), 1),
        "EC2 refused to stop the instance: InvalidInstanceID.NotFound",
    ),
    "hangs in stopping": AtStop(
        sticks, "stopping for longer than 15 minutes", Code.STOP_REFUSED
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", AT_STOP)
def test_the_pool_is_filled_whatever_befalls_an_instance_that_is_to_stop(fault: str) -> None:
    row = AT_STOP[fault]
    world = a_world(**POOL)
    hosts = Hosts(world)
    run(world, hosts, rounds=2)
    (first,) = world.instances()
    assert first.state is S.SWAPPING
    row.strike(world, str(first.instance_id))
    run(world, hosts, rounds=25, seconds=15)
    told = {why.code for said in world.fleet.all(Standing) for why in said.reasons}
    assert (Code.STOP_REFUSED in told) is (row.told is Code.STOP_REFUSED)
    run(world, hosts, rounds=20, seconds=30)
    world.machines._script.clear()
    run(world, hosts, rounds=20, seconds=20)
    record = world.fleet.instance(first.key)
    assert record is not None
    assert row.says in reasons(record)
    assert (record.state is S.STOPPED) is row.stops
    assert len(world.instances(S.STOPPED)) == 1, reasons(record)
    told = {why.code for said in world.fleet.all(Standing) for why in said.reasons}
    assert Code.STOP_REFUSED not in told
    at_rest(world, hosts)


def state_of(world: World, instance: Instance) -> InstanceState:
    """The present state of the instance's record."""
    record = world.fleet.instance(instance.key)
    assert record is not None
    return record.state


@pytest.mark.parametrize("state", [S.READY, S.STARTING, S.ASSIGNED, S.RUNNING])
def test_a_stop_from_outside_ends_the_instance_and_its_job_runs_once(state: InstanceState) -> None:
    world, hosts = with_a_pool()
    (stopped,) = world.instances(S.STOPPED)
    if state is S.READY:
        world.configure(**{"pool/hot": "1"})
    else:
        world.schedule("job-1")
    for host in hosts.hosts.values():
        host.steps_left = FOREVER
    for _ in range(12):
        if state_of(world, stopped) is not state:
            world.tick()
        if state_of(world, stopped) is not state:
            hosts.step()
            world.after(seconds=2)
    assert state_of(world, stopped) is state
    hosts.stop(str(stopped.instance_id))
    run(world, hosts, rounds=30, seconds=3)
    record = world.fleet.instance(stopped.key)
    assert record is not None
    # One that had proven itself before the stop may be back in the pool.
    back = state is S.STARTING and record.state is S.STOPPED
    assert back or not record.open, reasons(record)
    assert hosts.ran == ({} if state is S.READY else {"job-1": 1})
    at_rest(world, hosts)
