"""Access to moto's backends in this process, by service."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from moto.backends import get_backend
from moto.core.base_backend import BackendDict
from moto.core.serialize import BaseJSONSerializer
from moto.ec2.models.amis import Ami
from moto.ec2.models.core import TaggedEC2Resource
from moto.iam.models import IAMBackend

from mayfly_lab.aws.config import ACCOUNT
from mayfly_lab.aws.ec2.profile import Profile, profile_of
from mayfly_lab.aws.front.call import Refusal
from mayfly_lab.aws.front.own import LayerVersion
from mayfly_lab.aws.managed import know
from mayfly_lab.aws.patches import Patch

AMAZON_LINUX = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-"
ARCHITECTURES = ("x86_64", "arm64")
# moto's state is global to the process, so only one local AWS can exist at a time.
_OCCUPIED = threading.Lock()
_LINKED_ROLES = {
    "ec2fleet.amazonaws.com": "AWSServiceRoleForEC2Fleet",
    "spot.amazonaws.com": "AWSServiceRoleForEC2Spot",
}
_LOAD_IMAGES = "MOTO_EC2_LOAD_DEFAULT_AMIS"
_KINDS = {"i": "instance", "vol": "volume", "eni": "network-interface", "lt": "launch-template"}


@dataclass(frozen=True, slots=True)
class Cloud:
    """One Region of moto's one account."""

    region: str

    def open(self) -> None:
        """Reserve moto for this local AWS, and empty it.

        Raises:
            RuntimeError: another local AWS exists in this process.
        """
        if not _OCCUPIED.acquire(blocking=False):
            raise RuntimeError("there is a local AWS in this process already")
        with _without_images():
            BackendDict.reset()
            self.backend("ec2")
        self._add_images()
        self._add_way_out()

    def close(self) -> None:
        """Empty moto, and release it."""
        with _without_images():
            BackendDict.reset()
        _OCCUPIED.release()

    def backend(self, service: str) -> Any:
        """The backend of a service, by boto3's name of the service."""
        region = "aws" if service in {"iam", "sts", "s3"} else self.region
        return get_backend(service)[ACCOUNT][region]

    def _add_way_out(self) -> None:
        """A NAT gateway as the default route of the default VPC: the machines reach Buildkite."""
        ec2 = self.backend("ec2")
        [main] = ec2.describe_route_tables(
            filters={"vpc-id": [self.vpc()], "association.main": ["true"]}
        )
        gateway = ec2.create_nat_gateway(self.subnets(1)[0], allocation_id="")
        ec2.create_route(main.id, "0.0.0.0/0", nat_gateway_id=gateway.id)

    def subnets(self, count: int) -> list[str]:
        """Ids of `count` subnets of the default VPC, each in another zone."""
        subnets = [each for zone in self.backend("ec2").subnets.values() for each in zone.values()]
        subnets.sort(key=lambda each: str(each.availability_zone))
        return [str(each.id) for each in subnets[:count]]

    def vpc(self) -> str:
        """Id of the default VPC."""
        return str(self.backend("ec2").default_vpc.id)

    def parameter(self, name: str) -> str:
        """Value of an SSM parameter, as EC2 reads it for `resolve:ssm:` images.

        Raises:
            Refusal: the parameter does not exist.
        """
        found = self.backend("ssm").get_parameter(name)
        if found is None:
            raise Refusal("InvalidParameterValue", f"The parameter '{name}' does not exist")
        return str(found.value)

    def profile(self, named: Any) -> Profile:
        """The instance profile with this `Arn` or `Name`.

        Raises:
            Refusal: the profile does not exist, or contains no role.
        """
        for each in self.backend("iam").instance_profiles.values():
            if named.get("Arn") == each.arn or named.get("Name") == each.name:
                return profile_of(each)
        text = named.get("Arn") or named.get("Name")
        raise Refusal(
            "InvalidParameterValue", f"Value ({text}) for parameter iamInstanceProfile is invalid."
        )

    def role(self, name: str) -> Any:
        """The role of moto with this name, whatever its path; None for an unknown one."""
        # A copy, because another thread may change moto's dictionary meanwhile.
        roles = list(self.backend("iam").roles.values())
        return next((each for each in roles if each.name == name), None)

    def role_of_arn(self, arn: str) -> Any:
        """The role of moto with this ARN; None for an unknown one."""
        role = self.role(arn.rpartition("/")[2])
        return role if role is not None and role.arn == arn else None

    def policies_of_role(self, role: Any) -> list[str]:
        """The policies of a role of moto, inline and managed, as JSON."""
        # Copies, because another thread may change moto's dictionaries meanwhile.
        managed = list(role.managed_policies)
        return [*map(str, list(role.policies.values())), *map(self.policy, managed)]

    def policy(self, arn: str) -> str:
        """The default version of a managed policy as JSON; empty when there is none."""
        backend = self.backend("iam")
        know(backend, arn)
        found = backend.managed_policies.get(arn)
        if found is None:
            return ""
        return str(next(each.document for each in found.versions if each.is_default))

    def tags(self, resource: str) -> Mapping[str, str]:
        """The tags of an EC2 resource; none for an unknown one."""
        return dict(self.backend("ec2").tags.get(resource, {}))

    def layer_version(self, arn: str) -> LayerVersion | None:
        """A published layer version by its ARN or `name:number`; None when unknown."""
        name, _, number = arn.rpartition(":")
        if ":" not in name:
            name = f"arn:aws:lambda:{self.region}:{ACCOUNT}:layer:{name}"
        found = self.backend("lambda").layers_versions_by_arn(f"{name}:{number}")
        if found is None:
            return None
        return LayerVersion(found.arn, found.version, found.description, found.code_bytes)

    def _add_images(self) -> None:
        """Add the images that the public parameters of Amazon Linux 2023 name."""
        ec2 = self.backend("ec2")
        for architecture in ARCHITECTURES:
            image_id = self.parameter(AMAZON_LINUX + architecture)
            ec2.amis[image_id] = Ami(
                ec2,
                image_id,
                name=f"al2023-ami-lab-{architecture}",
                owner_alias="amazon",
                public=True,
                virtualization_type="hvm",
                architecture=architecture,
                root_device_name="/dev/xvda",
                root_device_type="ebs",
            )


@contextmanager
def _without_images() -> Iterator[None]:
    """Let moto create its EC2 backend without images: 1301 unused images take seconds to load.

    moto creates a backend on every reset, the last one too. `_add_images` adds the lab's images.
    """
    before = os.environ.get(_LOAD_IMAGES)
    os.environ[_LOAD_IMAGES] = "false"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_LOAD_IMAGES]
        else:
            os.environ[_LOAD_IMAGES] = before


def patches() -> list[Patch]:
    """Patches for speed (many machines on two cores), and for AWS's names of service-linked roles.

    moto searches a resource's tags among all tags of all resources, and serialises DynamoDB items
    attribute by attribute although they are plain JSON already.
    """
    by_attribute = BaseJSONSerializer._serialize_type_map  # noqa: SLF001 - moto's seam for maps

    def serialize_type_map(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.value.name == "AttributeValue":
            serialized[key] = value
        else:
            by_attribute(self, serialized, value, shape, key)

    def get_tags(self: Any) -> list[dict[str, str]]:
        return [
            {
                "resource_id": self.id,
                "key": key,
                "value": value,
                "resource_type": _KINDS.get(self.id.partition("-")[0], ""),
            }
            for key, value in self.ec2_backend.tags.get(self.id, {}).items()
        ]

    by_spelling = IAMBackend.create_service_linked_role

    def create_service_linked_role(
        self: Any, service_name: str, description: str, suffix: str
    ) -> Any:
        if (name := _LINKED_ROLES.get(service_name)) is None:
            return by_spelling(self, service_name, description, suffix)
        trusted = {
            "Effect": "Allow",
            "Principal": {"Service": [service_name]},
            "Action": ["sts:AssumeRole"],
        }
        return self.create_role(
            name,
            json.dumps({"Version": "2012-10-17", "Statement": [trusted]}),
            f"/aws-service-role/{service_name}/",
            permissions_boundary=None,
            description=description,
            tags=[],
            max_session_duration="3600",
            linked_service=service_name,
        )

    return [
        Patch(TaggedEC2Resource, "get_tags", get_tags, "self"),
        Patch(
            IAMBackend,
            "create_service_linked_role",
            create_service_linked_role,
            "self, service_name, description, suffix",
        ),
        Patch(
            BaseJSONSerializer,
            "_serialize_type_map",
            serialize_type_map,
            "self, serialized, value, shape, key",
        ),
    ]
