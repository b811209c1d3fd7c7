"""Facts of the account that IAM's requests contain: tags, profiles, types, names of resources.

Other threads change moto's dictionaries meanwhile, so each is copied before it is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mayfly.iam.evaluation import Values
from mayfly_lab.aws.cloud import Cloud
from mayfly_lab.aws.ec2.ec2 import Ec2
from mayfly_lab.aws.ec2.templates import named_template
from mayfly_lab.aws.front.call import Refusal
from mayfly_lab.aws.front.iam.authorization import arn
from mayfly_lab.aws.front.iam.need import resource_tags
from mayfly_lab.aws.front.iam.tags import READERS

OWN_KEY = "alias/aws/ssm"
"""The key of SecureStrings that name none."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """What IAM sees of an SSM parameter."""

    name: str
    secure: bool
    key: str
    """The key of a SecureString: an id, an ARN or an alias."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts of one account and Region, from moto's backends and the lab's EC2."""

    cloud: Cloud
    ec2: Callable[[], Ec2]

    @property
    def region(self) -> str:
        """The Region."""
        return self.cloud.region

    def arn(self, service: str, kind: str, *names: str) -> str:
        """The ARN of a resource of this account and Region, as `authorization.arn`."""
        return arn(self.region, service, kind, *names)

    def tags(self, service: str, arn: str) -> Mapping[str, str]:
        """The tags of a resource by its ARN; none for an unknown resource."""
        reader = READERS.get(service)
        return {} if reader is None else reader(self.cloud, arn)

    def instance(self, instance_id: str) -> dict[str, Values]:
        """The condition keys of an existing instance, tags included; only the id's for others."""
        keys: dict[str, Values] = {
            "ec2:InstanceID": instance_id,
            **resource_tags(self.cloud.tags(instance_id), "ec2"),
        }
        ec2 = self.ec2()
        found = ec2.instances.get(instance_id)
        if found is None:
            return keys
        options = found.moto.metadata_options
        keys |= {
            "ec2:InstanceType": found.instance_type,
            "ec2:AvailabilityZone": str(found.moto.placement.zone),
            "ec2:MetadataHttpEndpoint": str(options.http_endpoint),
            "ec2:MetadataHttpPutResponseHopLimit": str(options.http_put_response_hop_limit),
            "ec2:MetadataHttpTokens": str(options.http_tokens),
            "ec2:InstanceMarketType": "spot" if found.spot else "on-demand",
            "ec2:RootDeviceType": "ebs",
            "ec2:Tenancy": "default",
        }
        if (current := ec2.profiles.current(instance_id)) is not None:
            keys["ec2:InstanceProfile"] = current.profile.arn
        return keys

    def instance_of(self, association: str) -> str:
        """The instance of a profile association; empty for an unknown one."""
        try:
            return self.ec2().profiles.lookup(association).instance_id
        except Refusal:
            return ""

    def profile(self, named: Any) -> tuple[str, str]:
        """The ARNs of an instance profile and of its role; guessed from the name if unknown."""
        named = named or {}
        for each in list(self.cloud.backend("iam").instance_profiles.values()):
            if named.get("Arn") == each.arn or named.get("Name") == each.name:
                return str(each.arn), str(each.roles[0].arn) if each.roles else ""
        guess = self.arn("iam", "instance-profile", str(named.get("Name", "")))
        return str(named.get("Arn") or guess), ""

    def template(self, named: Any) -> tuple[str, Mapping[str, Any]]:
        """Id and data of a launch template's version; the id alone when it is unknown."""
        found = named_template(self.cloud.backend("ec2"), named)
        return found.template_id, {} if found.version is None else found.version.data

    def iam(self, kind: str, name: str) -> str:
        """The ARN of a role, instance profile or user by name, with its path if it exists."""
        backend = self.cloud.backend("iam")
        listed = {
            "instance-profile": backend.instance_profiles,
            "role": backend.roles,
            "user": backend.users,
        }.get(kind, {})
        for each in list(listed.values()):
            if each.name == name:
                return str(each.arn)
        return self.arn("iam", kind, name)

    def stack(self, name: str) -> str:
        """The ARN of a CloudFormation stack; with the id `*` if it does not exist."""
        for each in list(self.cloud.backend("cloudformation").stacks.values()):
            if name in {each.name, each.stack_id}:
                return str(each.stack_id)
        return name if name.startswith("arn:") else self.arn("cloudformation", "stack", name)

    def key(self, named: str) -> str:
        """The ARN of a KMS key by id, ARN or alias; an alias of AWS is its own key."""
        backend = self.cloud.backend("kms")
        name = named.partition(":key/")[2] or named
        if "alias/" in name:
            alias = name[name.index("alias/") :]
            # moto would make a key with a customer's policy for an alias of AWS.
            made = None if alias.startswith("alias/aws/") else backend.get_key_id_from_alias(alias)
            name = made or alias.replace("/", "-")
        return self.arn("kms", "key", name)

    def function_of(self, mapping: str) -> str:
        """The ARN of the function of an event source mapping; empty for an unknown mapping."""
        found = self.cloud.backend("lambda")._event_source_mappings.get(mapping)  # noqa: SLF001 - the public way raises
        return "" if found is None else str(found.function_arn)

    def parameters(self, path: str, *, recursive: bool) -> Iterator[Parameter]:
        """The parameters below a path."""
        root = path.rstrip("/") + "/"
        for name in list(self.cloud.backend("ssm")._parameters):  # noqa: SLF001 - a public listing decrypts every value
            below = name.removeprefix(root)
            if name.startswith(root) and (recursive or "/" not in below):
                yield from self.parameter(name)

    def parameter(self, name: str) -> Iterator[Parameter]:
        """The parameter of this name; nothing for an unknown one."""
        versions = self.cloud.backend("ssm")._parameters.get(name)  # noqa: SLF001 - see above
        if versions:
            secure = versions[-1].parameter_type == "SecureString"
            yield Parameter(name, secure, str(versions[-1].keyid or OWN_KEY))

    def hash_key(self, table: str, index: Any) -> str:
        """The hash key of a table or its index; empty for an unknown one."""
        found = self.cloud.backend("dynamodb").tables.get(table.rpartition("/")[2])
        if found is None:
            return ""
        if not index:
            return str(found.hash_key_attr)
        for each in (*found.global_indexes, *found.indexes):
            if each.name == index:
                return next(
                    (str(key["AttributeName"]) for key in each.schema if key["KeyType"] == "HASH"),
                    "",
                )
        return ""
