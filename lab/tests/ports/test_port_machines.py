"""The adapter keeps the promises of `mayfly.ports.Machines`; the local AWS is its EC2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import pytest

from local.aws_lab import a_lab
from local.ec2_lab import Ec2Lab, ec2_lab
from local.waiting import eventually
from mayfly.adapters.aws.ec2 import Ec2Machines
from mayfly.ports import Machines
from tests.contract.machine_worlds import World, a_request
from tests.contract.machines_suite import *  # noqa: F403 - its tests are run here

STACKS = count()
NETWORKS = count(200)
"""Third numbers of addresses that no default subnet has."""


@dataclass
class LabWorld:
    lab: Ec2Lab
    stack: str
    machines: Machines = field(init=False)

    def __post_init__(self) -> None:
        self.machines = Ec2Machines(self.lab.ec2, self.stack)
        self.template, self.subnets = self.lab.template, self.lab.subnets
        self.bootstrap, self.sandbox = self.lab.bootstrap, self.lab.sandbox

    def token(self, number: int) -> str:
        """Client tokens belong to the account, not to the stack."""
        return f"{self.stack}-{number}"

    def settle(self, instance_id: str) -> None:
        def settled() -> bool:
            shown = {association[2] for association in self.lab.associations(instance_id)}
            state = self.lab.state(instance_id)
            return state in {"running", "stopped", "terminated"} and shown <= {"associated"}

        eventually(settled)

    def run_dry(self, *instance_types: str) -> None:
        for kind in instance_types:
            self.lab.lab.aws.faults.set("no-capacity", f"{kind}/*")

    def recover(self) -> None:
        self.lab.lab.aws.faults.clear("no-capacity")

    def lose_an_answer(self) -> None:
        self.lab.lab.aws.faults.set("lost-answer", "ec2:CreateFleet")

    def further_subnet(self) -> str:
        (first,) = self.lab.ec2.describe_subnets(SubnetIds=[self.subnets[0]])["Subnets"]
        made = self.lab.ec2.create_subnet(
            VpcId=first["VpcId"],
            AvailabilityZone=first["AvailabilityZone"],
            CidrBlock=f"172.31.{next(NETWORKS)}.0/24",
        )
        return str(made["Subnet"]["SubnetId"])


@pytest.fixture(scope="module")
def ec2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Lab]:
    with a_lab(tmp_path_factory.mktemp("lab"), throttling=False) as lab:
        yield ec2_lab(lab)


@pytest.fixture
def world(ec2: Ec2Lab) -> Iterator[World]:
    # Terminated instances stay in the account, so each test needs its own stack.
    yield LabWorld(ec2, f"ci-{next(STACKS)}")
    ec2.lab.aws.faults.clear()


def test_instances_of_another_stack_are_not_seen(ec2: Ec2Lab) -> None:
    world = LabWorld(ec2, "one-stack")
    launched = world.machines.create_fleet(a_request(world, stack="another"), world.token(1))
    assert world.machines.instances() == []
    assert world.machines.instances_of(launched.instance_ids) == []
