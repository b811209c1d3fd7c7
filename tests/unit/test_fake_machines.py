"""The fake EC2: acts of the world that its port does not have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mayfly.answers import Ec2Instance
from mayfly.errors import Conflict
from tests.contract.machine_worlds import TYPES, FakeWorld, a_request


@pytest.fixture
def fake() -> FakeWorld:
    return FakeWorld()


def test_a_partial_launch_returns_instances_and_errors(fake: FakeWorld) -> None:
    fake.machines.capacity = {("on-demand", kind): 1 for kind in TYPES}
    launched = fake.machines.create_fleet(a_request(fake, 3), fake.token(1))
    assert len(launched.instance_ids) == 2
    assert [error.partition(":")[0] for error in launched.errors] == [
        "InsufficientInstanceCapacity",
        "InsufficientInstanceCapacity",
    ]


def test_a_terminated_instance_gives_its_capacity_back(fake: FakeWorld) -> None:
    fake.machines.capacity = {("on-demand", TYPES[0]): 1, ("on-demand", TYPES[1]): 0}
    (first,) = fake.machines.create_fleet(a_request(fake), fake.token(1)).instance_ids
    fake.machines.terminate([first])
    fake.machines.settle()
    assert fake.machines.create_fleet(a_request(fake), fake.token(2)).instance_ids


def test_a_hidden_launch_is_listed_once_shown(fake: FakeWorld) -> None:
    fake.machines.hide_launches = True
    (instance,) = fake.machines.create_fleet(a_request(fake), fake.token(1)).instance_ids
    assert fake.machines.instances() == []
    fake.machines.hidden.clear()
    assert [each.instance_id for each in fake.machines.instances()] == [instance]


def test_replacing_the_profile_of_a_pending_instance_is_a_conflict(fake: FakeWorld) -> None:
    (instance,) = fake.machines.create_fleet(a_request(fake), fake.token(1)).instance_ids
    (before,) = fake.machines.associations([instance])[instance]
    with pytest.raises(Conflict, match="IncorrectState"):
        fake.machines.replace_profile(before.id, fake.sandbox)


def test_an_ended_instance_is_listed_until_it_is_forgotten(fake: FakeWorld) -> None:
    (instance,) = fake.machines.create_fleet(a_request(fake), fake.token(1)).instance_ids
    fake.machines.end(instance, "power off")
    assert [(each.state, each.reason) for each in fake.machines.instances()] == [
        ("terminated", "power off")
    ]
    fake.machines.forget(instance)
    assert fake.machines.instances() == []


def test_an_instance_added_by_a_test_is_listed_and_can_be_terminated(fake: FakeWorld) -> None:
    fake.machines.intrude(Ec2Instance("i-9", "running", "", "deploy", datetime.now(UTC)))
    assert [each.launch for each in fake.machines.instances()] == [""]
    fake.machines.terminate(["i-9"])
    fake.machines.settle()
    assert [each.state for each in fake.machines.instances()] == ["terminated"]


def test_a_replaced_profile_is_shown_until_the_new_profile_is_settled(fake: FakeWorld) -> None:
    (instance,) = fake.machines.create_fleet(a_request(fake), fake.token(1)).instance_ids
    fake.machines.settle()
    (before,) = fake.machines.associations([instance])[instance]
    fake.machines.replace_profile(before.id, fake.sandbox)
    shown = fake.machines.associations([instance])[instance]
    assert [(each.profile, each.state) for each in shown] == [
        (fake.bootstrap, "disassociating"),
        (fake.sandbox, "associating"),
    ]
    fake.machines.settle()
    assert len(fake.machines.associations([instance])[instance]) == 1
