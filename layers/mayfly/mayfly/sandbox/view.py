"""The view over which `sandbox` decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mayfly.answers import Association
from mayfly.records.ledger import Ledger
from mayfly.records.model import Instance
from mayfly_protocol.report import Report


@dataclass(frozen=True, slots=True)
class SandboxView:
    """What `sandbox` knows of the instances on their way to ready."""

    instances: tuple[Instance, ...]
    reports: Mapping[str, Report]
    """By mailbox row."""
    associations: Mapping[str, tuple[Association, ...]]
    """By EC2 instance id, for instances that are set up; a missing id means unknown."""
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)
    """By queue, where an instance may be ready now (see `wants_ledger`)."""
