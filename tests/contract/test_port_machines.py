"""The promises of `mayfly.ports.Machines`, held by the fake and by EC2 alike.

Stock moto is wrong where it matters most: it ignores client tokens, never lacks capacity, and
keeps the id of an association that was replaced. Those promises are held by the fake here; what
the adapter makes of such answers is in `tests/unit/test_adapter_ec2.py`.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from mayfly.adapters.ec2 import Ec2Machines
from mayfly.errors import Conflict, Misconfigured, NoCapacity, NotFound
from mayfly.ports import Machines
from mayfly_lab.fakes import FakeMachines

PATH = "arn:aws:iam::123456789012:instance-profile/mayfly/ci"
BOOTSTRAP, SANDBOX = f"{PATH}/bootstrap/deploy/boot", f"{PATH}/sandbox/deploy/sand"


class World(Protocol):
    """EC2, and what nobody but AWS or an operator does there."""

    machines: Machines
    stack: str
    template: str
    subnets: tuple[str, str]

    def settle(self, instance_id: str) -> None: ...


class FakeWorld:
    stack = "ci"
    template = "lt-1"
    subnets = ("subnet-1", "subnet-2")

    def __init__(self) -> None:
        self.machines = FakeMachines(lambda: datetime.now(UTC), {"lt-1": BOOTSTRAP})

    def settle(self, instance_id: str) -> None:
        self.machines.settle(instance_id)


class MotoWorld:
    def __init__(self, client: Any, iam: Any) -> None:
        self.client = client
        # Terminated instances stay in the account, so each test has a stack of its own.
        self.stack = f"ci-{uuid.uuid4()}"
        self.machines = Ec2Machines(lambda: client, self.stack)
        subnets = client.describe_subnets()["Subnets"]
        self.subnets = (subnets[0]["SubnetId"], subnets[1]["SubnetId"])
        made = client.create_launch_template(
            LaunchTemplateName="deploy", LaunchTemplateData={"ImageId": "ami-12345678"}
        )
        self.template = made["LaunchTemplate"]["LaunchTemplateId"]
        for arn in (BOOTSTRAP, SANDBOX):
            path, _, name = arn.partition("instance-profile")[2].rpartition("/")
            iam.create_instance_profile(InstanceProfileName=name, Path=f"{path}/")

    def settle(self, instance_id: str) -> None:
        """moto gives a fleet's instances no profile."""
        self.client.associate_iam_instance_profile(
            InstanceId=instance_id, IamInstanceProfile={"Arn": BOOTSTRAP}
        )


@pytest.fixture
def ec2(aws: None, lazy: Callable[[str], Callable[[], Any]]) -> Iterator[MotoWorld]:
    ec2, iam = lazy("ec2")(), lazy("iam")()
    world = MotoWorld(ec2, iam)
    yield world
    ec2.delete_launch_template(LaunchTemplateId=world.template)
    for name in ("boot", "sand"):
        iam.delete_instance_profile(InstanceProfileName=name)


@pytest.fixture(params=["fake", "moto"])
def world(request: pytest.FixtureRequest) -> World:
    return FakeWorld() if request.param == "fake" else request.getfixturevalue("ec2")


def a_request(
    world: World, count: int = 1, market: str = "on-demand", stack: str = "", **changes: Any
) -> str:
    tags = {"mayfly-stack": stack or world.stack, "mayfly-queue": "deploy", "mayfly-launch": "l1"}
    template = {"LaunchTemplateId": world.template, "Version": "1"}
    overrides = [
        {"InstanceType": kind, "SubnetId": subnet}
        for kind in ("m7i.large", "m7a.large")
        for subnet in world.subnets
    ]
    request = {
        "LaunchTemplateConfigs": [
            {"LaunchTemplateSpecification": template, "Overrides": overrides}
        ],
        "TargetCapacitySpecification": {
            "TotalTargetCapacity": count,
            "DefaultTargetCapacityType": market,
        },
        "TagSpecifications": [
            {
                "ResourceType": "instance",
                "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
            }
        ],
    }
    return json.dumps({**request, **changes})


def test_a_launch_is_seen_with_its_tags(world: World) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    launched = world.machines.create_fleet(a_request(world, 3), "token-1")
    assert len(set(launched.instance_ids)) == 3
    assert launched.errors == ()
    seen = {each.instance_id: each for each in world.machines.instances()}
    assert seen.keys() == set(launched.instance_ids)
    for each in seen.values():
        assert (each.launch, each.queue) == ("l1", "deploy")
        assert each.state in {"pending", "running"}
        assert each.launched_at >= before


def test_a_launch_template_that_is_gone_is_a_misconfiguration(world: World) -> None:
    gone = {
        "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-0123456789abcdef0", "Version": "1"},
        "Overrides": [{"InstanceType": "m7i.large", "SubnetId": world.subnets[0]}],
    }
    with pytest.raises(Misconfigured, match="InvalidLaunchTemplateId"):
        world.machines.create_fleet(a_request(world, LaunchTemplateConfigs=[gone]), "token-2")
    assert world.machines.instances() == []


def test_terminating_spares_nobody_because_another_is_gone(world: World) -> None:
    launched = world.machines.create_fleet(a_request(world, 3), "token-3").instance_ids
    gone = ["i-0000000000000000a", "i-0000000000000000b"]
    world.machines.terminate([gone[0], launched[0], launched[1], gone[1]])
    world.machines.terminate(gone)
    world.machines.terminate([])
    states = {each.instance_id: each.state for each in world.machines.instances()}
    assert {states[each] for each in launched[:2]} <= {"shutting-down", "terminated"}
    assert states[launched[2]] in {"pending", "running"}
    world.machines.terminate(launched)
    states = {each.instance_id: each.state for each in world.machines.instances()}
    assert set(states.values()) <= {"shutting-down", "terminated"}


def test_an_instance_shows_its_profile(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), "token-4").instance_ids
    world.settle(instance)
    shown = world.machines.associations([instance, "i-0000000000000000a"])
    assert shown["i-0000000000000000a"] == ()
    (association,) = shown[instance]
    assert (association.instance_id, association.profile) == (instance, BOOTSTRAP)
    assert association.state == "associated"


def test_a_profile_is_replaced(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), "token-5").instance_ids
    world.settle(instance)
    (before,) = world.machines.associations([instance])[instance]
    world.machines.replace_profile(before.id, SANDBOX)
    (after,) = world.machines.associations([instance])[instance]
    assert after.profile == SANDBOX
    assert after.state in {"associating", "associated"}


def test_an_association_that_is_not_there_is_a_conflict(world: World) -> None:
    with pytest.raises(Conflict):
        world.machines.replace_profile("iip-assoc-00000000000000000", SANDBOX)


def test_a_terminated_instance_has_no_profile_any_more(world: World) -> None:
    (instance,) = world.machines.create_fleet(a_request(world), "token-6").instance_ids
    world.settle(instance)
    world.machines.terminate([instance])
    if isinstance(world, FakeWorld):
        world.settle(instance)
    assert world.machines.associations([instance]) == {instance: ()}


def test_the_console_of_an_instance_that_is_gone_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        world.machines.console("i-0000000000000000a")


def test_instances_of_another_stack_are_not_seen(ec2: MotoWorld) -> None:
    ec2.machines.create_fleet(a_request(ec2, stack="other"), "token-7")
    assert ec2.machines.instances() == []


@pytest.fixture
def fake() -> FakeWorld:
    return FakeWorld()


def test_the_same_token_gets_the_same_answer(fake: FakeWorld) -> None:
    first = fake.machines.create_fleet(a_request(fake, 2), "token")
    assert fake.machines.create_fleet(a_request(fake, 2), "token") == first
    assert len(fake.machines.instances()) == 2


def test_the_same_token_for_another_request_is_a_misconfiguration(fake: FakeWorld) -> None:
    fake.machines.create_fleet(a_request(fake, 2), "token")
    with pytest.raises(Misconfigured, match="IdempotentParameterMismatch"):
        fake.machines.create_fleet(a_request(fake, 3), "token")


def test_a_lost_answer_is_found_again_by_its_token(fake: FakeWorld) -> None:
    fake.machines.fail_next("create_fleet", ConnectionError(), done=True)
    with pytest.raises(ConnectionError):
        fake.machines.create_fleet(a_request(fake, 2), "token")
    assert {each.launch for each in fake.machines.instances()} == {"l1"}
    assert len(fake.machines.create_fleet(a_request(fake, 2), "token").instance_ids) == 2
    assert len(fake.machines.instances()) == 2


def test_partial_success_is_an_answer(fake: FakeWorld) -> None:
    fake.machines.capacity = {("on-demand", "m7i.large"): 1, ("on-demand", "m7a.large"): 1}
    launched = fake.machines.create_fleet(a_request(fake, 3), "token")
    assert len(launched.instance_ids) == 2
    assert [error.partition(":")[0] for error in launched.errors] == [
        "InsufficientInstanceCapacity",
        "InsufficientInstanceCapacity",
    ]


def test_nothing_at_all_is_no_capacity_and_stays_so_for_its_token(fake: FakeWorld) -> None:
    fake.machines.capacity = {("spot", "m7i.large"): 0, ("spot", "m7a.large"): 0}
    with pytest.raises(NoCapacity):
        fake.machines.create_fleet(a_request(fake, market="spot"), "token-1")
    assert fake.machines.create_fleet(a_request(fake), "token-2").instance_ids
    fake.machines.capacity.clear()
    with pytest.raises(NoCapacity):
        fake.machines.create_fleet(a_request(fake, market="spot"), "token-1")


def test_room_comes_back_when_an_instance_has_ended(fake: FakeWorld) -> None:
    fake.machines.capacity = {("on-demand", "m7i.large"): 1, ("on-demand", "m7a.large"): 0}
    (first,) = fake.machines.create_fleet(a_request(fake), "token-1").instance_ids
    fake.machines.terminate([first])
    fake.machines.settle()
    assert fake.machines.create_fleet(a_request(fake), "token-2").instance_ids


def test_describe_may_lag_behind_a_launch(fake: FakeWorld) -> None:
    fake.machines.hide_launches = True
    (instance,) = fake.machines.create_fleet(a_request(fake), "token").instance_ids
    assert fake.machines.instances() == []
    fake.machines.hidden.clear()
    assert [each.instance_id for each in fake.machines.instances()] == [instance]


def test_an_association_is_used_up_by_its_replacement(fake: FakeWorld) -> None:
    (instance,) = fake.machines.create_fleet(a_request(fake), "token").instance_ids
    (before,) = fake.machines.associations([instance])[instance]
    with pytest.raises(Conflict, match="IncorrectState"):
        fake.machines.replace_profile(before.id, SANDBOX)
    fake.machines.settle(instance)
    fake.machines.replace_profile(before.id, SANDBOX)
    (after,) = fake.machines.associations([instance])[instance]
    assert after.id != before.id
    assert after.state == "associating"
    with pytest.raises(Conflict):
        fake.machines.replace_profile(before.id, SANDBOX)
    fake.machines.settle(instance)
    (last,) = fake.machines.associations([instance])[instance]
    assert (last.profile, last.state) == (SANDBOX, "associated")
