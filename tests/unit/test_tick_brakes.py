"""What fails before it is ready is launched ever more rarely, and whoever waits learns why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from mayfly.metrics import Metric
from mayfly.provision import tick as provision
from mayfly.records.brakes import FIRST_TRIAL, KEEP, LONGEST_PAUSE, TRIP, brakes_on
from mayfly.records.ledger import Brake
from mayfly.records.model import Claim
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Outcome
from mayfly_protocol.phases import Phase
from mayfly_protocol.report import Report
from tests.unit.builders import QUEUE, SANDBOX, TYPES, row
from tests.unit.hosts import POWER_OFF
from tests.unit.world import World, a_world, wanting

S = InstanceState


def in_ec2(world: World) -> int:
    """Instances that were ever launched."""
    return len(world.machines.machines)


def die(world: World) -> None:
    """Every host switches itself off before it reports."""
    world.machines.settle()
    for instance in world.instances(S.LAUNCHING):
        world.machines.end(str(instance.instance_id), POWER_OFF)


def tick(world: World, fail: Callable[[World], None] = die) -> list[Outcome]:
    """One tick of each function, in a world where boots fail."""
    before = world.dispatch(), world.provision()
    world.after(seconds=5)
    fail(world)
    return [*before, world.sandbox(), world.reap()]


def for_minutes(world: World, minutes: int, fail: Callable[[World], None] = die) -> list[int]:
    """Instances launched by the end of each minute; functions tick twice a minute."""
    counts = []
    for _ in range(minutes):
        for _ in range(2):
            tick(world, fail)
            world.after(seconds=25)
        counts.append(in_ec2(world))
    return counts


def brake(world: World) -> Brake:
    """The only brake there is, as the ledger has it."""
    (only,) = world.ledger().brakes.values()
    return only


def wait(world: World, minutes: int) -> None:
    """Time passes in which `dispatch` keeps the reservations."""
    for _ in range(minutes):
        world.after(1)
        world.dispatch()
    world.after(seconds=1)


# -- every way in which a boot fails ---------------------------------------------------------------


def set_up_fails(world: World) -> None:
    world.machines.settle()
    for instance in world.instances(S.LAUNCHING):
        world.report(instance, "booting")
        world.mailbox.report(
            row(instance, "bootstrap"),
            Report(Phase.FAILED, "boot-1", reason="script: no such package"),
        )


def hosts_are_silent(world: World) -> None:
    world.machines.settle()
    wait(world, 5)


def scripts_hang(world: World) -> None:
    world.machines.settle()
    for instance in world.instances(S.LAUNCHING):
        world.report(instance, "booting")
    world.sandbox()
    wait(world, 10)


def profiles_stay(world: World) -> None:
    """EC2 never gets to the swap: it shows the old association as still associating."""
    world.boot()
    for machine in world.machines.machines.values():
        machine.association = replace(machine.association, state="associating")
    world.sandbox()
    wait(world, 6)


def proofs_never_come(world: World) -> None:
    world.boot()
    world.sandbox()
    world.machines.settle()
    wait(world, 6)


def profiles_are_foreign(world: World) -> None:
    world.boot()
    for machine in world.machines.machines.values():
        machine.association = replace(machine.association, profile=SANDBOX + "-other")


WAYS: dict[Callable[[World], None], str] = {
    die: "EC2 ended the instance",
    set_up_fails: "script: no such package",
    hosts_are_silent: "the instance was launching for longer than 5 minutes (launch/boot-minutes)",
    scripts_hang: "the instance was booting for longer than 10 minutes",
    profiles_stay: "the instance was swapping for longer than 6 minutes",
    proofs_never_come: "the instance was swapping for longer than 6 minutes",
    profiles_are_foreign: "EC2 shows a foreign profile",
}


AT_ONCE = {die, set_up_fails, profiles_are_foreign}
"""Ways that take seconds: the brake's first trial must have failed too."""


@pytest.mark.parametrize("fail", WAYS, ids=lambda fail: fail.__name__)
def test_a_job_fails_with_the_reason_of_the_last_boot(fail: Callable[[World], None]) -> None:
    world = wanting("job-1")
    world.fleet.calls.clear()
    for _ in range(12):
        tick(world, fail)
        world.after(seconds=5)
    boots = TRIP + (fail in AT_ONCE)
    assert in_ec2(world) == boots
    claim = world.claim("job-1")
    assert (claim.state, claim.told) == (ClaimState.FAILED, True)
    assert f"{boots} boots, one after the other, failed while the job waited" in claim.reason
    assert WAYS[fail] in claim.reason
    told = world.buildkite.known["job-1"].told
    assert told == claim.reason


# -- how many launches -----------------------------------------------------------------------------


def test_one_job_costs_three_launches_and_not_one_every_half_minute() -> None:
    assert for_minutes(wanting("job-1"), 60)[-1] == TRIP


def test_twenty_jobs_cost_one_burst_and_two_trials() -> None:
    jobs = [f"job-{number:02}" for number in range(20)]
    world = wanting(*jobs)
    by_minute = for_minutes(world, 60)
    assert by_minute[0] == 20
    assert by_minute[-1] == 22
    assert {c.state for c in world.fleet.all(Claim)} == {ClaimState.FAILED}
    assert all(world.buildkite.known[job].told for job in jobs)


def test_a_hot_pool_is_tried_after_1_2_4_and_up_to_30_minutes() -> None:
    world = a_world(**{"pool/hot": "4"})
    counts = for_minutes(world, 121)
    steps = [minute for minute in range(1, 121) if counts[minute] > counts[minute - 1]]
    assert counts[0] == 4
    assert all(counts[minute] == counts[minute - 1] + 1 for minute in steps)
    pauses = [late - early for early, late in pairwise(steps)]
    expected = [2, 4, 8, 16, 30, 30]
    assert all(0 <= a - b <= 1 for a, b in zip(pauses, expected, strict=False)), pauses
    assert len(pauses) >= len(expected)
    assert world.ledger().live == 0


def test_a_trial_is_the_only_one_while_it_boots() -> None:
    world = a_world(**{"pool/hot": "4"})
    for_minutes(world, 1)
    world.after(seconds=61)
    for _ in range(5):
        world.provision()
        world.after(seconds=30)
    assert in_ec2(world) == 5


def test_two_failures_brake_nothing() -> None:
    world = wanting("job-1", **{"job/attempts": "10"})
    for _ in range(TRIP - 1):
        tick(world)
    world.provision()
    assert in_ec2(world) == TRIP
    assert brake(world).next_trial is None


def test_a_burst_of_which_three_die_early_fails_no_job() -> None:
    """What is still coming may serve all of them."""
    jobs = [f"job-{number}" for number in range(9)]
    world = wanting(*jobs)
    world.provision()
    for _ in range(TRIP):
        world.machines.settle()
        victim = world.instances(S.LAUNCHING)[0]
        world.machines.end(str(victim.instance_id), POWER_OFF)
        world.reap()
        world.provision()
        world.after(seconds=10)
    assert {world.claim(job).state for job in jobs} == {ClaimState.WAITING}
    world.make_ready()
    world.dispatch()
    assert all(world.claim(job).state is ClaimState.ASSIGNED for job in jobs[:-1])
    assert world.ledger().boots[-1].cause == ""
    world.provision()
    assert world.ledger().brakes == {}


# -- what lets go of the brake ---------------------------------------------------------------------


def braked() -> World:
    """A world with a hot pool of two whose boots failed."""
    world = a_world(**{"pool/hot": "2"})
    for _ in range(2):
        tick(world)
    world.provision()
    assert brake(world).next_trial is not None
    assert in_ec2(world) == 4
    return world


def test_a_proven_trial_lets_go_of_the_brake() -> None:
    world = braked().after(seconds=61)
    world.provision()
    assert in_ec2(world) == 5
    world.make_ready()
    world.provision()
    assert in_ec2(world) == 6
    assert world.ledger().brakes == {}


CHANGES = {
    "bootstrap/script": "s3://scripts/mayfly/new.sh",
    "launch/boot-minutes": "15",
    "launch/instance-types": TYPES[1],
    "launch/purchase": "spot",
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_configuration_lets_go_of_the_brake(name: str) -> None:
    world = braked()
    world.configure(**{name: CHANGES[name]})
    outcome = world.provision()
    assert in_ec2(world) == 6
    assert not [line for metric, line in outcome.alarms if metric is Metric.BRAKED]


def test_a_parameter_that_no_boot_depends_on_leaves_the_brake_on() -> None:
    world = braked()
    world.configure(**{"job/max-minutes": "60"})
    world.provision()
    assert in_ec2(world) == 4


def test_a_late_end_of_what_was_made_before_the_change_brakes_nothing() -> None:
    world = a_world(**{"pool/hot": "4"})
    world.provision()
    world.after(seconds=30)
    world.configure(**{"bootstrap/script": "s3://scripts/mayfly/new.sh"})
    old = world.instances(S.LAUNCHING)
    world.configure(**{"pool/hot": "5"})
    world.provision()
    (new,) = [i for i in world.instances(S.LAUNCHING) if i not in old]
    world.machines.settle()
    for instance in (new, *old):
        world.machines.end(str(instance.instance_id), POWER_OFF)
        world.reap()
    world.provision()
    assert brake(world).failures == 1


def test_a_brake_is_forgotten_when_nothing_was_launched_for_long() -> None:
    world = braked()
    world.configure(**{"pool/hot": "0"})
    world.after(KEEP.total_seconds() / 60)
    world.provision()
    assert world.ledger().brakes == {}


def test_brakes_outlast_the_longest_pause_and_the_slowest_boot() -> None:
    assert KEEP > LONGEST_PAUSE + timedelta(minutes=60 + 10) > FIRST_TRIAL


# -- what is no failure ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reason",
    [
        "Server.SpotInstanceTermination: Spot instance termination",
        "Server.SpotInstanceShutdown: Spot Instance shutdown",
        "Server.InsufficientInstanceCapacity: There was insufficient capacity",
    ],
)
@pytest.mark.parametrize("state", ["shutting-down", "terminated"])
def test_an_instance_that_ec2_takes_back_is_no_failed_boot(reason: str, state: str) -> None:
    world = wanting("job-1")
    for _ in range(TRIP + 1):
        world.provision()
        world.machines.settle()
        (coming,) = world.instances(S.LAUNCHING)
        machine = world.machines.machines[str(coming.instance_id)]
        machine.seen = replace(machine.seen, state=state, reason=reason)
        world.reap()
        world.after(seconds=30)
    assert in_ec2(world) == TRIP + 1
    assert not list(brakes_on(world.ledger()))
    assert world.ledger().brakes == {}


def test_a_refused_launch_does_not_count() -> None:
    world = wanting("job-1")
    world.machines.capacity = {("on-demand", kind): 0 for kind in TYPES}
    for_minutes(world, 3)
    assert world.ledger().brakes == {}
    assert world.claim("job-1").state is ClaimState.WAITING


def test_a_proven_instance_that_fails_later_does_not_count() -> None:
    world = a_world(**{"pool/hot": "1"})
    world.provision()
    world.make_ready()
    (ready,) = world.instances(S.READY)
    world.machines.end(str(ready.instance_id), POWER_OFF)
    world.reap()
    world.provision()
    assert world.ledger().brakes == {}


# -- what it costs, and who is told ----------------------------------------------------------------


def test_a_tick_in_which_nothing_changes_writes_nothing() -> None:
    world = braked()
    world.fleet.calls.clear()
    world.provision()
    assert world.fleet.calls["write"] == 0


def test_a_boot_in_order_writes_nothing_into_the_ledger() -> None:
    world = a_world(**{"pool/hot": "1"})
    world.provision()
    before = world.ledger()
    world.make_ready()
    assert world.ledger() == before


def test_the_alarm_names_queue_shape_cause_and_next_trial_once_a_minute() -> None:
    world = braked()
    ((metric, line),) = world.provision().alarms
    assert metric is Metric.BRAKED
    start = f"queue {QUEUE}: no instance of queue {QUEUE} gets ready: 4 boots in a row failed"
    assert line.startswith(start)
    assert "EC2 ended the instance" in line
    assert f"[{QUEUE}/x86_64/on-demand/m7i.large+m6i.large]" in line
    assert f"; the next try is at {brake(world).next_trial:%H:%M:%S} UTC" in line
    assert not provision.tick(world.provision_ports, world.edge, nudged=True).alarms


def test_a_paused_queue_gives_no_job_up() -> None:
    world = wanting("job-1")
    for _ in range(TRIP):
        tick(world)
        world.after(seconds=25)
    world.configure(paused="true")
    world.provision()
    assert world.claim("job-1").state is ClaimState.WAITING
    world.configure(paused="false")
    world.provision()
    assert world.claim("job-1").state is ClaimState.FAILED


def test_a_job_that_comes_to_a_brake_waits_for_trials_of_its_own() -> None:
    world = wanting("job-1")
    for_minutes(world, 1)
    world.schedule("job-2")
    for_minutes(world, 2)
    assert world.claim("job-2").state is ClaimState.WAITING
    for_minutes(world, 12)
    assert world.claim("job-2").state is ClaimState.FAILED
    assert in_ec2(world) == TRIP + 3
