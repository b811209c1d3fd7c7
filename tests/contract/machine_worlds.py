"""The EC2 under the suite, with acts of AWS and operators that the port does not have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from mayfly.errors import Transient
from mayfly.ports import Machines
from mayfly_fakes import FakeMachines

TYPES = ("m7i.large", "m7a.large")
NO_SUBNET = "subnet-00000000000000000"
GONE = "i-0000000000000000a"
"""An id that EC2 never gave."""


class World(Protocol):
    """EC2, with acts of AWS and operators that the port does not have."""

    @property
    def machines(self) -> Machines: ...

    @property
    def stack(self) -> str: ...

    @property
    def template(self) -> str: ...

    @property
    def bootstrap(self) -> str: ...

    @property
    def sandbox(self) -> str: ...

    @property
    def subnets(self) -> Sequence[str]: ...

    def token(self, number: int) -> str: ...

    def settle(self, instance_id: str) -> None: ...

    def run_dry(self, *instance_types: str) -> None: ...

    def recover(self) -> None: ...

    def lose_an_answer(self) -> None: ...

    def further_subnet(self) -> str:
        """The id of a new subnet in the zone of the first subnet."""


class FakeWorld:
    stack, template = "ci", "lt-1"
    bootstrap, sandbox = "arn:bootstrap", "arn:sandbox"
    subnets = ("subnet-1", "subnet-2")

    def __init__(self) -> None:
        self.machines = FakeMachines(lambda: datetime.now(UTC), {"lt-1": self.bootstrap})
        self.machines.missing_subnets = {NO_SUBNET}

    def token(self, number: int) -> str:
        return f"token-{number}"

    def settle(self, instance_id: str) -> None:
        self.machines.settle(instance_id)

    def run_dry(self, *instance_types: str) -> None:
        markets = ("spot", "on-demand")
        self.machines.capacity = {(m, kind): 0 for m in markets for kind in instance_types}

    def recover(self) -> None:
        self.machines.capacity = {}

    def lose_an_answer(self) -> None:
        self.machines.fail_next("create_fleet", Transient("lost"), done=True)

    def further_subnet(self) -> str:
        self.machines.subnets = {"subnet-1": "a", "subnet-2": "b", "subnet-3": "a"}
        return "subnet-3"


def a_request(
    world: World, count: int = 1, market: str = "on-demand", stack: str = "", **changes: Any
) -> str:
    tags = {"mayfly-stack": stack or world.stack, "mayfly-queue": "deploy", "mayfly-launch": "l1"}
    template = {"LaunchTemplateId": world.template, "Version": "1"}
    overrides = [
        {"InstanceType": kind, "SubnetId": subnet} for kind in TYPES for subnet in world.subnets
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
