"""Answers of EC2, IAM, Buildkite and SSM as frozen values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Bought:
    """What decides the price of an instance; empty for what EC2 did not tell."""

    instance_type: str = ""
    zone: str = ""
    market: str = ""
    """`spot` or `on-demand`."""
    subnet: str = ""
    """From CreateFleet alone, whose answer may lack the zone."""


@dataclass(frozen=True, slots=True)
class Launched:
    """EC2's answer to CreateFleet: ids of launched instances, and errors for missing ones."""

    instance_ids: tuple[str, ...]
    errors: tuple[str, ...] = ()
    bought: Mapping[str, Bought] = field(default_factory=dict)
    """By instance id, for instances of which EC2 told something."""
    dry: frozenset[str] = frozenset()
    """Pools of spot, as `type/subnet`, for which EC2 said that they have no capacity."""


@dataclass(frozen=True, slots=True)
class Ec2Instance:
    """An instance as EC2 shows it."""

    instance_id: str
    state: str
    """EC2's state: pending, running, stopping, stopped, shutting-down, terminated."""
    launch: str
    """The tag `mayfly-launch`; empty for an instance without the tag."""
    queue: str
    """The tag `mayfly-queue`; empty for an instance without the tag."""
    launched_at: datetime
    reason: str = ""
    """EC2's own reason for the last change of state."""
    bought: Bought = Bought()


@dataclass(frozen=True, slots=True)
class Association:
    """The association of a profile with an instance, as EC2 shows it."""

    id: str
    instance_id: str
    profile: str
    """The profile's ARN."""
    state: str
    """EC2's state, such as `associated`."""


def only_profile(shown: Sequence[Association]) -> str:
    """The profile of an instance with exactly one association, which is `associated`; else empty.

    Another state of the one association, and a second one, mean that the profile may change.
    """
    return shown[0].profile if [each.state for each in shown] == ["associated"] else ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as Buildkite lists it."""

    id: str
    priority: int
    rules: tuple[str, ...]
    runnable_at: datetime
    """Start of the job's runnable time; its creation time where the list lacks `runnable_at`."""
    pipeline: str
    build: int
    branch: str
    step: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The jobs of one queue in Buildkite's list, and whether the queue is paused in Buildkite."""

    jobs: tuple[Job, ...]
    paused: bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """Value and version of an SSM parameter."""

    value: str
    version: int
    modified: datetime | None = field(default=None, compare=False)
    """When SSM took the value; None where SSM did not say."""
    kind: str = "String"
    """SSM's type. Operators' parameters are Strings: a SecureString's value is ciphertext here."""


@dataclass(frozen=True, slots=True)
class ParameterVersion:
    """One version of an SSM parameter, from its history."""

    number: int
    value: str
    at: datetime
    who: str = ""
    """ARN of the principal that wrote the version; empty where SSM did not say."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy document of IAM."""

    name: str
    """ARN of a managed policy, or the name of an inline one."""
    statements: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Role:
    """An IAM role with every document that decides what it may do, and who may assume it."""

    arn: str
    id: str
    trust: tuple[Mapping[str, Any], ...]
    """Statements of the trust policy."""
    policies: tuple[Policy, ...]
    """Inline policies, and attached managed policies in their default versions."""
    boundary: Policy | None = None

    @property
    def attached(self) -> frozenset[str]:
        """ARNs of the attached managed policies."""
        return frozenset(each.name for each in self.policies if each.name.startswith("arn:"))
