"""Reap against the fakes: strays, spot warnings, state changes, instances that no list shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mayfly.answers import Ec2Instance
from mayfly.errors import Transient
from mayfly.events import StateChanged
from mayfly.metrics import Metric
from mayfly.reap import tick as reap
from mayfly.records.changes import Save
from mayfly.records.model import Claim, Stray
from mayfly.records.states import ClaimState, InstanceState
from mayfly.tick.outcome import Outcome
from mayfly_protocol.rows import notice_row
from tests.unit.builders import NOW, QUEUE, row
from tests.unit.world import World, a_warm_world, ec2_state, launched, running, wanting

S = InstanceState

# -- strays, spot warnings, state changes ----------------------------------------------------------


def stray(world: World, number: int = 0) -> str:
    name = f"i-stray{number}"
    world.machines.intrude(Ec2Instance(name, "running", "no-such-launch", QUEUE, world.clock.now))
    return name


def test_a_tick_terminates_a_stray_a_minute_after_its_record() -> None:
    world = launched()
    name = stray(world)
    world.reap()
    world.after(seconds=59).reap()
    assert world.machines.machines[name].seen.state == "running"
    world.after(seconds=1).reap()
    assert world.machines.machines[name].seen.state == "shutting-down"
    world.reap()
    assert world.fleet.all(Stray) == []


def test_many_strays_raise_an_alarm_and_stay_alive() -> None:
    world = launched()
    names = [stray(world, number) for number in range(4)]
    for _ in range(3):
        outcome = world.after(1).reap()
    assert [metric for metric, _ in outcome.alarms] == [Metric.STRAYS]
    assert {world.machines.machines[name].seen.state for name in names} == {"running"}


def test_an_instance_of_an_open_launch_without_answer_is_no_stray() -> None:
    world = wanting("job-1")
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    for _ in range(3):
        world.after(1).reap()
    assert world.fleet.all(Stray) == []


def test_a_launch_without_answer_that_the_index_does_not_show_is_no_stray() -> None:
    world = wanting("job-1")
    world.fleet.lag()
    world.machines.fail_next("create_fleet", Transient("timed out"), done=True)
    world.provision()
    world.machines.settle()
    for _ in range(4):
        world.after(1).reap()
    assert {machine.seen.state for machine in world.machines.machines.values()} == {"running"}
    assert world.fleet.all(Stray) == []


def test_a_healthy_host_that_the_index_does_not_show_for_minutes_lives() -> None:
    world = running()
    vars(world.fleet)["instances"] = lambda queue, states: []
    for _ in range(4):
        world.after(1).reap()
    assert ec2_state(world) == "running"
    assert world.instance().state is S.RUNNING
    assert world.fleet.all(Stray) == []


def test_a_living_instance_whose_record_is_closed_is_a_stray() -> None:
    world = launched()
    instance = world.instance()
    world.machines.forget(str(instance.instance_id))
    hidden = world.machines.machines
    for _ in range(12):
        world.after(1).reap()
    assert world.instance().state is S.TERMINATED
    name = str(instance.instance_id)
    world.machines.intrude(Ec2Instance(name, "running", instance.key.launch, QUEUE, NOW))
    for _ in range(3):
        world.after(1).reap()
    assert hidden[name].seen.state == "shutting-down"


def test_deadlines_are_kept_for_instances_that_no_list_shows() -> None:
    world = launched()
    vars(world.fleet)["queues"] = list  # the list of queues is empty
    world.after(6).reap()
    assert world.instance().state is S.CONDEMNED
    assert ec2_state(world) == "shutting-down"


def test_a_spot_warning_reaches_its_busy_host_and_an_unknown_id_is_ignored() -> None:
    world = running()
    now = world.clock.now
    reap.on_spot_warning(world.reap_ports, str(world.instance().instance_id), now, world.edge)
    assert world.mailbox.rows[notice_row(row(world.instance()))].notice == now.isoformat()
    outcome = reap.on_spot_warning(world.reap_ports, "i-of-somebody-else", now, world.edge)
    assert not outcome.changed


def test_a_spot_warning_condemns_an_idle_instance() -> None:
    world = a_warm_world()
    now = world.clock.now
    reap.on_spot_warning(world.reap_ports, str(world.instance().instance_id), now, world.edge)
    assert world.instance().state is S.CONDEMNED


def test_a_state_change_of_an_unknown_instance_starts_no_tick() -> None:
    world = launched()
    world.after(6)
    change(world, "running", "i-of-somebody-else")
    assert world.instance().state is S.LAUNCHING
    change(world, "running")
    assert world.instance().state is S.CONDEMNED


def change(world: World, state: str, instance_id: str = "") -> Outcome:
    event = StateChanged(instance_id or str(world.instance().instance_id), state)
    return reap.on_state_change(world.reap_ports, event, world.edge)


def test_a_done_host_is_closed_at_its_termination_and_not_at_its_shutdown() -> None:
    world = running()
    instance = world.instance()
    world.report(instance, "done", exit=0)
    assert change(world, "shutting-down").changed is False
    assert world.instance().state is S.RUNNING
    world.machines.end(str(instance.instance_id), "Client.InstanceInitiatedShutdown")
    assert change(world, "terminated").changed
    closed = world.fleet.instance(instance.key)
    assert closed is not None
    assert closed.state is S.TERMINATED
    event = StateChanged(str(instance.instance_id), "terminated")
    assert reap.on_state_change(world.reap_ports, event, world.edge).changed is False


@pytest.mark.parametrize("when", ["before the reports", "before the clearing", "at the write"])
def test_an_end_that_loses_a_race_is_repeated_at_once(when: str) -> None:
    """For a short job, `dispatch` often records RUNNING only after the job has ended."""
    world = running()
    instance = world.instance()
    world.report(instance, "done", exit=0)
    world.machines.end(str(instance.instance_id), "Client.InstanceInitiatedShutdown")
    port, call = {
        "before the reports": (world.mailbox, "reports"),
        "before the clearing": (world.fleet, "instance"),
        "at the write": (world.fleet, "write"),
    }[when]
    lose_race_at(world, port, call)
    event = StateChanged(str(instance.instance_id), "terminated")
    outcome = reap.on_state_change(world.reap_ports, event, world.edge)
    assert outcome.lost_races > 0
    closed = world.fleet.instance(instance.key)
    assert closed is not None
    assert (closed.state, closed.reason) == (S.TERMINATED, "the agent ended with exit code 0")
    assert row(instance) not in world.mailbox.rows


def lose_race_at(world: World, port: object, call: str) -> None:
    """Write the instance's record once just before this call of a port, as another tick does."""
    real = getattr(port, call)

    def overtaken(*given: Any) -> Any:
        vars(port).pop(call)
        world.fleet.write([Save(world.instance())])
        return real(*given)

    vars(port)[call] = overtaken


def test_a_spot_warning_that_loses_a_race_is_repeated_at_once() -> None:
    world = a_warm_world()
    now = world.clock.now
    lose_race_at(world, world.fleet, "write")
    reap.on_spot_warning(world.reap_ports, str(world.instance().instance_id), now, world.edge)
    assert world.instance().state is S.CONDEMNED


def test_the_end_of_one_instance_reads_no_other_instance() -> None:
    world = running()
    ended = world.instance()
    world.configure(**{"pool/hot": "2"})
    world.provision()
    world.machines.end(str(ended.instance_id), "Server.SpotInstanceTermination")
    world.after(6)  # the two new instances are overdue now
    asked: list[str] = []
    vars(world.fleet)["instances"] = lambda queue, _: asked.append(queue)
    event = StateChanged(str(ended.instance_id), "terminated")
    assert reap.on_state_change(world.reap_ports, event, world.edge).changed
    closed = world.fleet.instance(ended.key)
    assert closed is not None
    assert closed.state is S.TERMINATED
    assert [claim.state for claim in world.fleet.all(Claim)] == [ClaimState.FINISHED]
    others = {each.state for each in world.instances() if each.key != ended.key}
    assert others == {S.LAUNCHING}
    assert asked == []


def test_the_shutdown_of_a_host_that_reported_no_end_starts_a_tick() -> None:
    world = running()
    world.machines.end(str(world.instance().instance_id), "Server.SpotInstanceTermination")
    assert change(world, "shutting-down").changed


def test_a_queue_with_an_unreadable_configuration_is_reaped() -> None:
    world = launched()
    record = world.fleet.queue(QUEUE)
    assert record is not None
    world.fleet.write([Save(replace(record, config="{}"))])
    world.after(6).reap()
    assert ec2_state(world) == "shutting-down"


def test_a_failed_host_is_kept_for_the_minutes_that_the_operator_sets() -> None:
    world = launched()
    world.configure(**{"debug/keep-failed-minutes": "30"})
    world.provision()
    world.after(6).reap()
    assert world.instance().state is S.CONDEMNED
    world.after(29).reap()
    assert ec2_state(world) == "running"
    world.after(1).reap()
    assert ec2_state(world) == "shutting-down"
