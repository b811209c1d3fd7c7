"""Ticks of provision against the fakes: configuration from SSM, and deleted queue stacks."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from mayfly.errors import Conflict, Transient
from mayfly.metrics import Metric
from mayfly.provision import tick as provision
from mayfly.provision.apply import Applier
from mayfly.provision.decide import decide
from mayfly.provision.gather import gather
from mayfly.records.changes import Save
from mayfly.records.model import QueueRecord
from mayfly.records.states import InstanceState
from mayfly.tick.measures import Series
from mayfly.tick.outcome import Left, Outcome
from tests.unit.builders import NOW, QUEUE, STACK, a_config
from tests.unit.published import TEMPLATES, arn, queue_stack
from tests.unit.world import World, a_world, wanting

S = InstanceState


def in_ec2(world: World) -> int:
    return len(world.machines.machines)


# -- configuration ---------------------------------------------------------------------------------


def test_an_unchanged_configuration_is_not_written_again() -> None:
    world = a_world()
    assert not world.provision().changed


def test_a_change_takes_effect_with_the_next_tick_and_a_bad_change_does_not() -> None:
    world = a_world()
    world.configure(**{"pool/hot": "2"})
    world.provision()
    assert in_ec2(world) == 2
    world.configure(**{"pool/hot": "many"})
    outcome = world.provision()
    assert "pool/hot" in outcome.problems[0]
    assert in_ec2(world) == 2


PINNED = f"s3://scripts/mayfly/set-up.sh sha256={'a' * 64}"


def test_a_script_without_a_pin_is_told_once_for_each_change_and_is_no_problem(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = a_world()
    told = []
    for script in ("s3://scripts/mayfly/set-up.sh", "s3://scripts/mayfly/set-up.sh", PINNED, None):
        if script is not None:
            world.configure(**{"bootstrap/script": script})
        for _ in range(3):
            caplog.clear()
            with caplog.at_level(logging.WARNING, "mayfly"):
                outcome = world.provision()
            told.append([each for each in caplog.records if "sha256=" in each.getMessage()])
            assert (outcome.problems, outcome.alarms) == ([], [])
            assert Series(Metric.QUEUE_PROBLEMS, QUEUE) not in outcome.of_queues.total
    assert [len(each) for each in told] == [1, 0, 0, 1, 0, 0, *[0] * 6]
    (line,) = told[0]
    assert line.getMessage().startswith(f'queue {QUEUE}: bootstrap/script = "s3://scripts/')
    assert line.queue == QUEUE  # type: ignore[attr-defined]  # an extra field
    record = world.fleet.queue(QUEUE)
    assert record is not None
    assert record.warnings == ()


def test_a_warning_is_not_told_again_with_a_problem_of_another_parameter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = a_world()
    world.configure(**{"bootstrap/script": "s3://scripts/mayfly/set-up.sh"})
    world.provision()
    world.configure(**{"pool/hot": "many"})
    assert world.provision().configured == 1
    assert [each for each in caplog.records if "sha256=" in each.getMessage()][1:] == []


def test_a_type_of_a_size_that_may_not_be_launched_is_named_and_the_old_types_go_on() -> None:
    world = a_world()
    world.configure(**{"pool/hot": "1", "launch/instance-types": "m7i.large,m7i.8xlarge"})
    ports = replace(world.provision_ports, sizes=frozenset({"large", "xlarge"}))
    outcome = provision.tick(ports, world.edge)
    assert "m7i.8xlarge" in outcome.problems[0]
    assert "InstanceSizes" in outcome.problems[0]
    assert in_ec2(world) == 0
    world.configure(**{"launch/instance-types": "m7i.large"})
    assert provision.tick(ports, world.edge).problems == []
    assert in_ec2(world) == 1


@pytest.mark.parametrize("text", ["", "{}", "null", '"aa"', "{"])
def test_without_a_bundle_the_queue_records_stay_in_force(text: str) -> None:
    world = wanting("job-1")
    world.parameters.put(f"/mayfly-infra/{STACK}/bundle", text)
    outcome = world.provision()
    assert "does not name a bundle" in outcome.problems[0]
    assert in_ec2(world) == 1  # launched by the configuration in the record


@pytest.mark.parametrize(
    ("name", "hint"), [(QUEUE[:-1], f"; {QUEUE} is one"), ("quite-another", "no such queue")]
)
def test_parameters_of_an_unknown_queue_are_a_problem(name: str, hint: str) -> None:
    world = a_world()
    world.parameters.put(f"/mayfly/{STACK}/queues/{name}/pool/hot", "2")
    (problem,) = world.provision().problems
    assert f"/queues/{name} has parameters" in problem
    assert hint in problem


def test_while_ssm_is_throttled_the_queue_records_stay_in_force() -> None:
    world = wanting("job-1")
    world.parameters.fail_next("under", Transient("throttled"))
    outcome = world.provision()
    assert outcome.left == {Left.TRANSIENT: 1}
    assert in_ec2(world) == 1


def test_roles_that_share_a_policy_stop_launches_of_their_queue() -> None:
    world = wanting("job-1")
    shared = frozenset({"arn:aws:iam::aws:policy/A"})
    world.roles.attached[arn("role", "sandbox")] = shared
    outcome = world.provision()
    assert "has policies of its bootstrap role" in outcome.problems[0]
    assert in_ec2(world) == 0


def test_a_missing_role_stops_launches_of_its_queue_only() -> None:
    world = wanting("job-1")
    world.publish("other")
    world.configure("other", **{"pool/hot": "1"})
    del world.roles.attached[arn("role", "sandbox")]
    outcome = world.provision()
    assert "a role of the queue does not exist" in outcome.problems[0]
    assert {i.queue for i in world.instances()} == {"other"}


def test_jobs_for_an_architecture_without_template_are_a_problem() -> None:
    world = wanting("job-1", "job-2")
    # A row from before claims had rules keeps its shape; the other claim follows the queue.
    world.fleet.write([Save(replace(world.claim("job-1"), rules=None))])
    arm = queue_stack(templates={"arm64": TEMPLATES["arm64"]})
    world.parameters.put(f"/mayfly-infra/{STACK}/queues/{QUEUE}", arm)
    world.configure(**{"launch/architecture": "arm64", "launch/instance-types": "m7g.large"})
    outcome = world.provision()
    lack = "jobs wait, and the queue's stack has no such launch template as x86_64 needs"
    assert lack in outcome.problems[0]
    assert [i.shape.architecture for i in world.instances()] == ["arm64"]


# -- the end of a queue ----------------------------------------------------------------------------


def test_the_record_of_a_deleted_queue_stack_is_dropped_after_its_last_instance() -> None:
    world = a_world(**{"pool/hot": "1"})
    world.provision()
    world.make_ready()
    world.parameters.remove(f"/mayfly-infra/{STACK}/queues/{QUEUE}")
    world.provision()
    (record,) = world.fleet.all(QueueRecord)
    assert not record.active
    world.after(6).provision()
    assert world.instance().state is S.CONDEMNED
    for _ in range(2):
        world.reap()
        world.machines.settle()
    world.provision()
    assert world.fleet.all(QueueRecord) == []


def test_the_record_of_a_deleted_queue_stack_stays_while_a_slow_tick_launches() -> None:
    world = a_world()
    (record,) = world.fleet.all(QueueRecord)
    view = gather(record, world.provision_ports, NOW)
    (start,) = decide(view, a_config(hot=1), NOW)
    world.parameters.remove(f"/mayfly-infra/{STACK}/queues/{QUEUE}")
    world.provision()
    world.fleet.lag()  # no list shows the launch, only the ledger does
    applier = Applier(world.provision_ports, Outcome(), NOW, world.edge)
    applier.begin(QUEUE, [start], {})
    applier.finish()
    world.provision()
    assert len(world.fleet.all(QueueRecord)) == 1


def test_a_queue_record_that_lost_its_race_is_written_by_the_next_tick() -> None:
    world = a_world()
    world.configure(**{"pool/hot": "1"})
    world.fleet.fail_next("write", Conflict("another tick was first"))
    outcome = world.provision()
    assert outcome.lost_races == 1
    world.provision()
    record = world.fleet.queue(QUEUE)
    assert record is not None
    assert '"hot":1' in record.config
