"""What was seen of an account and of Buildkite before a deployment. No secret is in it.

Where a field may be None, the thing is not there; where it is Unknown, nobody could look.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_cli.findings import Unknown


@dataclass(frozen=True, slots=True)
class Token:
    """The token's parameter."""

    type: str
    """`SecureString`, as it should be."""
    key: str | Unknown
    """ARN of the KMS key that encrypts it; empty for the account's own aws/ssm key."""
    problem: str | Unknown = ""
    """What is wrong with its value; empty for nothing; Unknown where it could not be read."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Whose token it is, as Buildkite says."""

    organization: str
    id: str
    """Empty for a token that belongs to no cluster."""
    name: str
    queue: str = ""
    """The one queue that the token is limited to; empty for all of the cluster's."""


@dataclass(frozen=True, slots=True)
class QueueSeen:
    """The queue at Buildkite."""

    hosted: bool | Unknown
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet and its way out."""

    vpc: str
    zone: str
    free_addresses: int
    out: str | Unknown
    """Where 0.0.0.0/0 goes, as `igw-…`; empty for nowhere."""
    broken: str = ""
    """Why that way is not open, as `blackhole`; empty for open."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """An instance type in this region."""

    architectures: tuple[str, ...]
    vcpus: int
    zones: frozenset[str] = frozenset()
    """Zones of the subnets in which it is offered."""


@dataclass(frozen=True, slots=True)
class Image:
    """The image of instances."""

    id: str
    state: str
    architecture: str
    root_device: str


@dataclass(frozen=True, slots=True)
class Stack:
    """A CloudFormation stack of the name."""

    status: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the checks look at."""

    caller: str
    account: str
    region: str
    token: Token | Unknown | None
    cluster: Cluster | Unknown | None
    """None when Buildkite refuses the token."""
    queue: QueueSeen | Unknown | None
    subnets: Mapping[str, Subnet] | Unknown
    """Those that were found."""
    types: Mapping[str, InstanceType] | Unknown
    quotas: Mapping[str, float | Unknown]
    """vCPUs by quota code."""
    roles: Mapping[str, bool | Unknown]
    """By name, which service-linked roles exist."""
    image: Image | Unknown | None
    archive: str | Unknown | None
    """SHA-256 of the agent's archive; None when nothing is at its address."""
    stack: Stack | Unknown | None
    taken: tuple[str, ...] | Unknown
    """Names that a new stack would need and that something else has."""
    denied: tuple[str, ...] | Unknown
    """Actions of a deployment that the caller may not take."""
