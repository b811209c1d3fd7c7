"""Edges of brakes: which ends are noted, notes that come late, and jobs that still have a boot."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from mayfly.config.queue import in_force
from mayfly.provision.actions import RecordLaunch
from mayfly.provision.decide import decide
from mayfly.provision.gather import gather
from mayfly.records.brakes import brake_of, counted, failed_boot, set_up
from mayfly.records.changes import NoteBoot, Save
from mayfly.records.ledger import Boot, Brake, Ledger
from mayfly.records.model import QueueRecord, move_instance
from mayfly.records.states import ClaimState, InstanceState
from tests.unit.builders import NOW, QUEUE, SHAPE, SPEC, a_ledger, ago, an_instance
from tests.unit.hosts import POWER_OFF
from tests.unit.world import wanting

S = InstanceState


def test_an_instance_that_goes_on_booting_gets_no_note() -> None:
    booting = an_instance(S.BOOTING)
    assert failed_boot(booting, move_instance(booting, S.BOOTSTRAPPED, NOW, "set-up is done")) == ()


def test_an_old_boots_late_failure_makes_no_boot_of_before_a_change_count() -> None:
    present = Boot(str(SHAPE), set_up(SPEC, 5), ago(2), ago(1), "instance i-2: no such package")
    late = replace(present, launched=ago(9), at=NOW, cause="instance i-1: hung")
    former = replace(present, set_up=set_up("former", 5), launched=ago(3), at=NOW)
    ledger = counted(a_ledger(boots=(present, late, former)), NOW)
    brake = brake_of(ledger, SHAPE, present.set_up)
    assert brake is not None
    assert (brake.failures, brake.cause) == (2, late.cause)


def test_no_job_is_given_up_while_another_instance_boots_for_it() -> None:
    limits = {"job/attempts": "1", "limits/max-launches-per-minute": "2"}
    world = wanting("job-1", "job-2", **limits)
    world.provision()
    world.machines.settle()
    world.after(seconds=10)
    world.machines.end(str(world.instances(S.LAUNCHING)[0].instance_id), POWER_OFF)
    world.reap()
    world.provision()
    jobs = ("job-1", "job-2")
    assert {world.claim(job).state for job in jobs} == {ClaimState.WAITING}
    world.machines.end(str(world.instances(S.LAUNCHING)[0].instance_id), POWER_OFF)
    world.reap()
    world.provision()
    assert {world.claim(job).state for job in jobs} == {ClaimState.FAILED}


def test_a_former_configurations_boot_is_no_trial_of_the_present_one() -> None:
    world = wanting("job-1", "job-2", **{"job/attempts": "10"})
    world.provision()
    world.machines.settle()
    for instance in world.instances(S.LAUNCHING):
        world.report(instance, "booting")
    world.sandbox()
    (former, *_) = world.instances(S.BOOTING)
    view = gather(world.fleet.all(QueueRecord)[0], world.provision_ports, world.clock.now)
    brake = Brake(set_up(view.spec, 5), NOW, NOW, failures=3, next_trial=ago(1))
    ledger = replace(view.ledger, brakes={str(former.shape): brake})
    old = replace(view, ledger=ledger, instances=(replace(former, spec="former"),))
    config = in_force(world.fleet.all(QueueRecord)[0])
    assert config is not None
    (launch,) = [a for a in decide(old, config, world.clock.now) if isinstance(a, RecordLaunch)]
    assert launch.launch.slots == 1
    present = replace(old, instances=(former,))
    actions = decide(present, config, world.clock.now)
    assert not [a for a in actions if isinstance(a, RecordLaunch)]


def test_a_job_that_is_given_up_after_an_hour_is_not_also_told_to_wait() -> None:
    world = wanting("job-1")
    spec = world.fleet.all(QueueRecord)[0].spec
    shape = str(world.claim("job-1").shape)
    world.fleet.write([Save(Ledger(QUEUE, epoch=NOW))])
    for minute in (10, 20, 30):
        times = (NOW + timedelta(minutes=minute - 1), NOW + timedelta(minutes=minute))
        world.fleet.write([NoteBoot(QUEUE, Boot(shape, set_up(spec, 5), *times, "i-1: broken"))])
    outcome = world.after(61).provision()
    assert world.claim("job-1").state is ClaimState.FAILED
    assert outcome.lost_races == 0
