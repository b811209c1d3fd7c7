"""Launches: merges launch template, overrides and request, and creates the instances."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.utils import parse_user_data

from mayfly_lab.aws.ec2.ec2 import Ec2, pools_of
from mayfly_lab.aws.ec2.instance import Instance
from mayfly_lab.aws.ec2.profile import Profile
from mayfly_lab.aws.ec2.templates import Data, launch_tags, named_template
from mayfly_lab.aws.front.call import Call, Refusal


@dataclass(frozen=True, slots=True)
class Specification:
    """The specification of instances of one pool (one type in one subnet)."""

    data: Data
    """Launch template data, with the request's and override's values over it."""
    base: Data
    """The launch template's own data."""
    own: Data
    """The request's or override's own data."""
    template: tuple[str, int] | None
    subnet: Any
    image_id: str
    profile: Profile | None
    tags: Mapping[str, Mapping[str, str]]
    spot: bool

    @property
    def instance_type(self) -> str:
        """The instance type."""
        return str(self.data["InstanceType"])

    @property
    def pools(self) -> tuple[str, ...]:
        """Subjects for capacity faults of the pool, as `pools_of`."""
        zone = self.subnet.availability_zone
        return pools_of(self.instance_type, self.subnet.id, zone, spot=self.spot)


def insufficient(specification: Specification) -> Refusal:
    """EC2's error for a pool without capacity."""
    return Refusal(
        "InsufficientInstanceCapacity",
        f"We currently do not have sufficient {specification.instance_type} capacity in"
        f" the Availability Zone you requested ({specification.subnet.availability_zone}).",
        500,
    )


@dataclass(slots=True)
class Launcher:
    """Turns launch specifications into instances. The caller holds the lock of the EC2 layer.

    `backend` is moto's EC2 backend; `parameter` reads a public SSM parameter for `resolve:ssm:`
    images; `profile` finds an instance profile by its ARN or name; `right` raises Refusal for a
    launch that the caller's role may not make.
    """

    ec2: Ec2
    backend: Any
    parameter: Callable[[str], str]
    profile: Callable[[Data], Profile]
    right: Callable[[Call, Specification], None]

    def specify(self, template: Data | None, request: Data, *, spot: bool) -> Specification:
        """The specification of a launch template (if any) with a request or override over it.

        Raises:
            Refusal: a named template, subnet, image, type or profile is unknown, or image and type
                differ in architecture.
        """
        base, reference = self.template(template) if template else ({}, None)
        own = {name: value for name, value in request.items() if value is not None}
        data = {"InstanceType": "m1.small", **base, **own}
        interface: Data = next(iter(data.get("NetworkInterfaces") or ()), {})
        subnet = self._subnet(data.get("SubnetId") or interface.get("SubnetId"))
        image_id = self._image(str(data.get("ImageId") or ""), str(data["InstanceType"]))
        wanted = data.get("IamInstanceProfile")
        return Specification(
            data=data,
            base=base,
            own=own,
            template=reference,
            subnet=subnet,
            image_id=image_id,
            profile=self.profile(wanted) if wanted else None,
            tags=launch_tags(base, own),
            spot=spot or (data.get("InstanceMarketOptions") or {}).get("MarketType") == "spot",
        )

    def template(self, named: Data) -> tuple[Data, tuple[str, int]]:
        """The data of a launch template's version, and its id and number.

        Raises:
            Refusal: the template or version is unknown.
        """
        found = named_template(self.backend, named)
        name = named.get("LaunchTemplateName")
        if found.template is None and name is not None:
            raise Refusal(
                "InvalidLaunchTemplateName.NotFoundException",
                f"The specified launch template, with template name {name}, does not exist.",
            )
        if found.template is None:
            raise Refusal(
                "InvalidLaunchTemplateId.NotFound",
                "The specified launch template, with template ID"
                f" {named.get('LaunchTemplateId')}, does not exist.",
            )
        if found.version is None:
            raise Refusal(
                "InvalidLaunchTemplateId.VersionNotFound",
                f"Could not find the specified version {found.number} for the launch template with"
                f" ID {found.template_id}.",
            )
        return found.version.data, (found.template_id, found.version.number)

    def zone(self, override: Data) -> str:
        """The zone that an override names, itself or by its subnet; empty for none or unknown."""
        subnets = {s.id: s for zone in self.backend.subnets.values() for s in zone.values()}
        subnet = subnets.get(override.get("SubnetId"))
        return str(subnet.availability_zone if subnet else override.get("AvailabilityZone") or "")

    def zones(self) -> list[str]:
        """The zones of all subnets, sorted."""
        found = (s for zone in self.backend.subnets.values() for s in zone.values())
        return sorted({str(subnet.availability_zone) for subnet in found})

    def require_room(self, specification: Specification) -> None:
        """Check the pool's capacity.

        Raises:
            Refusal: the fault `no-capacity` strikes the pool.
        """
        if self.ec2.life.world.faults.take("no-capacity", *specification.pools):
            raise insufficient(specification)

    def most(self, specification: Specification, wanted: int) -> int:
        """Number of the wanted instances that the pool has capacity for."""
        partial = self.ec2.life.world.faults.take("partial-fleet", *specification.pools)
        return wanted if partial is None else min(wanted, int(partial.value))

    def launch(
        self,
        specification: Specification,
        count: int,
        *,
        client_token: str = "",
        fleet_id: str = "",
    ) -> list[Instance]:
        """Create `count` instances and start their lives. Returns the instances."""
        data = specification.data
        interface: Data = next(iter(data.get("NetworkInterfaces") or ()), {})
        options = {
            "instance_type": specification.instance_type,
            "is_instance_type_default": False,
            "region_name": self.backend.region_name,
            "subnet_id": specification.subnet.id,
            "key_name": data.get("KeyName"),
            "security_group_ids": list(data.get("SecurityGroupIds") or interface.get("Groups", ())),
            "associate_public_ip": str(interface.get("AssociatePublicIpAddress")).lower() == "true",
            "ebs_optimized": bool(data.get("EbsOptimized")),
            "metadata_options": dict(data.get("MetadataOptions") or {}),
            "instance_initiated_shutdown_behavior": data.get("InstanceInitiatedShutdownBehavior"),
            "hibernation_options": dict(data.get("HibernationOptions") or {}),
            "monitoring_state": "disabled",
            "client_token": client_token,
            "lifecycle": "spot" if specification.spot else None,
            "tags": {kind: specification.tags.get(kind, {}) for kind in ("instance", "volume")},
        }
        if devices := [d for d in data.get("BlockDeviceMappings") or () if "Ebs" in d]:
            options["block_device_mappings"] = devices
        groups = list(data.get("SecurityGroups") or ())
        reservation = self.backend.run_instances(
            specification.image_id, count, parse_user_data(_user_data(data)), groups, **options
        )
        for each in reservation.instances:
            each.add_tags(_aws_tags(specification, fleet_id))
        return [
            self._started(specification, each, reservation.id) for each in reservation.instances
        ]

    def _started(self, specification: Specification, moto: Any, reservation: str) -> Instance:
        for nic in moto.nics.values():
            nic.add_tags(dict(specification.tags.get("network-interface", {})))
        if specification.spot:
            moto.spot_instance_request_id = f"sir-{secrets.token_hex(4)}"
        if specification.profile is not None:
            moto.iam_instance_profile = {
                "Arn": specification.profile.arn,
                "Id": specification.profile.profile_id,
            }
        late = self.ec2.life.world.faults.take("describe-lag", specification.instance_type)
        lag = self.ec2.life.world.delays.describe if late is None else late.seconds
        user_data = base64.b64decode(_user_data(specification.data) or "")
        instance = Instance(moto, user_data, reservation, self.ec2.life.world.clock() + lag)
        self.ec2.begin(instance, specification.profile)
        return instance

    def _subnet(self, subnet_id: str | None) -> Any:
        subnets = {s.id: s for zone in self.backend.subnets.values() for s in zone.values()}
        if subnet_id is None:  # EC2 takes a subnet of the default VPC
            return min(subnets.values(), key=lambda each: str(each.availability_zone))
        if subnet_id not in subnets:
            raise Refusal("InvalidSubnetID.NotFound", f"The subnet ID '{subnet_id}' does not exist")
        return subnets[subnet_id]

    def _image(self, image_id: str, instance_type: str) -> str:
        if image_id.startswith("resolve:ssm:"):
            image_id = self.parameter(image_id.removeprefix("resolve:ssm:"))
        image = self.backend.amis.get(image_id)
        if image is None:
            raise Refusal("InvalidAMIID.NotFound", f"The image id '[{image_id}]' does not exist")
        kind = INSTANCE_TYPES.get(instance_type)
        if kind is None:
            raise Refusal(
                "InvalidParameterValue", f"Invalid value '{instance_type}' for InstanceType."
            )
        supported = kind["ProcessorInfo"]["SupportedArchitectures"]
        if image.architecture not in supported:
            raise Refusal(
                "InvalidParameterValue",
                f"The architecture '{supported[0]}' of the specified instance type does not match"
                f" the architecture '{image.architecture}' of the specified AMI.",
            )
        return image_id


def _user_data(data: Data) -> str | None:
    """User data in base64: a string in a request, an object of moto in a template."""
    given = data.get("UserData")
    return None if given is None else str(given)


def _aws_tags(specification: Specification, fleet_id: str) -> dict[str, str]:
    """Tags that EC2 itself sets on instances."""
    tags = {"aws:ec2:fleet-id": fleet_id} if fleet_id else {}
    if specification.template is not None:
        template_id, version = specification.template
        tags["aws:ec2launchtemplate:id"] = template_id
        tags["aws:ec2launchtemplate:version"] = str(version)
    return tags
