"""State of an account and of Buildkite before a deployment, without secrets.

A field is None if the resource does not exist, and Unknown if the caller could not read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from mayfly.answers import Policy
from mayfly_cli.agent_releases import Release
from mayfly_cli.findings import Unknown


@dataclass(frozen=True, slots=True)
class Token:
    """The SSM parameter of the agent token."""

    type: str
    """SSM's type; only `SecureString` is right."""
    key: str | Unknown
    """ARN of the KMS key that encrypts the token; empty for the account's own aws/ssm key."""
    problem: str | Unknown = ""
    """The problem with the token's value; empty for none; Unknown if the value is unreadable."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that the token belongs to, as Buildkite answers."""

    organization: str
    """Slug."""
    id: str
    """Empty for a token that belongs to no cluster."""
    name: str
    queue: str = ""
    """Key of the only queue that the token may serve; empty for all queues of the cluster."""
    token: str = ""
    """Id of the token, which is no secret."""


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """Limits of the agent token."""

    expires: datetime | None
    addresses: tuple[str, ...]
    """CIDR blocks of allowed callers; empty for any."""


@dataclass(frozen=True, slots=True)
class ClusterQueue:
    """A queue of a Buildkite cluster."""

    hosted: bool | Unknown
    """Whether Buildkite's own machines serve the queue."""
    paused: bool = False
    """Whether dispatch is paused."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet and its default route."""

    vpc: str
    zone: str
    free_addresses: int
    out: str | Unknown
    """Target of the route to 0.0.0.0/0, such as `igw-…`; empty for no such route."""
    broken: str = ""
    """Why the target does not work, such as `its route is a blackhole`; empty if it works."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type in this region."""

    architectures: tuple[str, ...]
    vcpus: int
    zones: frozenset[str] = frozenset()
    """The subnets' zones that offer the type."""


@dataclass(frozen=True, slots=True)
class Image:
    """The image of the queue's instances."""

    id: str
    state: str
    architecture: str
    root_device: str
    key: str | Unknown = ""
    """ARN of the KMS key that encrypts its root snapshot; empty for an unencrypted one."""


@dataclass(frozen=True, slots=True)
class VolumeKey:
    """A KMS key that encrypts root volumes, or an image's snapshot."""

    arn: str
    account: str
    customer: bool
    """Whether the key is a customer's; EC2 may use AWS's own key for everybody in the account."""
    state: str
    """KMS's state of the key; only `Enabled` is right."""
    stack: str | Unknown = ""
    """Value of the tag `mayfly-stack`, by which `provision` may use the key; empty without it."""
    spot_grant: bool | Unknown = False
    """Whether the service-linked role of spot has a grant."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The CloudFormation stack that has the chosen name."""

    status: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The complete input of the checks."""

    caller: str
    account: str
    region: str
    principal: str | Unknown
    """ARN of the caller's user or role; of a session its role. Read if the answers make a key."""
    token: Token | Unknown | None
    cluster: Cluster | Unknown | None
    """None if Buildkite refuses the token."""
    queue: ClusterQueue | Unknown | None
    subnets: Mapping[str, Subnet] | Unknown
    """By id; ids without a subnet are omitted."""
    types: Mapping[str, InstanceType] | Unknown
    quotas: Mapping[str, float | Unknown]
    """vCPUs by quota code."""
    roles: Mapping[str, bool | Unknown]
    """By name of a service-linked role: whether it exists."""
    image: Image | Unknown | None
    archive: str | Unknown | None
    """SHA-256 of the agent's archive; None if there is no file at its address."""
    agent_line: Release | Unknown | None
    """The first stable release of the agent's minor line."""
    now: datetime
    stack: Stack | Unknown | None
    taken: tuple[str, ...] | Unknown
    """Names that a new stack would need and that other resources have."""
    concurrency: int | Unknown
    """Lambda invocations at once that the account's functions share, without reserved ones."""
    denied: tuple[str, ...] | Unknown
    """Actions of a deployment that the caller may not take."""
    volume_keys: Mapping[str, VolumeKey | Unknown | None]
    """By ARN: the keys of the answer RootVolumeKey and of the image."""
    policies: Mapping[str, Policy | Unknown | None]
    """By ARN: the managed policies that the queue's roles would carry, and their boundary."""
    tries: Mapping[str, str | Unknown] | Unknown
    """By queue: Buildkite's refusal of the token; empty where Buildkite accepts it."""
    limits: TokenLimits | Unknown
