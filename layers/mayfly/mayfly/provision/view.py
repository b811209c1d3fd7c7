"""The view of one queue, over which `provision` decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mayfly.answers import Association
from mayfly.config.infra import Infra
from mayfly.records.ledger import Ledger
from mayfly.records.model import Claim, Instance, Launch


@dataclass(frozen=True, slots=True)
class ProvisionView:
    """What `provision` knows of one queue."""

    stack: str
    infra: Infra
    spec: str
    waiting: tuple[Claim, ...]
    instances: tuple[Instance, ...]
    """Coming and ready instances."""
    stopped: tuple[Instance, ...] = field(default=(), kw_only=True)
    """Instances that are stopped or being stopped."""
    power: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    """EC2's states by EC2 id, of instances whose stop or start may have been lost."""
    profiles: Mapping[str, tuple[Association, ...]] = field(default_factory=dict, kw_only=True)
    """By EC2 id, of instances that are to be started; a missing id means unknown."""
    launches: tuple[Launch, ...]
    """Open launches: EC2's answer is not recorded yet."""
    slots: Mapping[str, tuple[Instance, ...]]
    """The requested slots of open launches, by launch id."""
    ledger: Ledger
    arrived: tuple[Claim, ...] = ()
    """Claims with an instance whose jobs came within `pool/grace-minutes`.

    Read only where an instance that is still coming may be beyond need; otherwise empty.
    """
    busy: int = 0
    """Number of jobs with an instance. Read where coming instances may be beyond the limit."""
    busy_pipelines: Mapping[str, int] = field(default_factory=dict)
    """Number of jobs with an instance by pipeline. Read where jobs of several shapes wait, or where
    a pipeline has a limit."""
    zones: Mapping[str, str] = field(default_factory=dict)
    """Availability zone by subnet id; subnets whose zone is not known are omitted."""
    paused: bool = False
    """Whether the queue is paused at Buildkite: its jobs get no instance, its pool is kept."""
    refused: str = ""
    """Why the queue must not launch at all; empty when it may."""
