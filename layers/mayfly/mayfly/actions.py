"""What decisions ask for. Each action names its reason; `apply` has one branch for each.

An action that changes records carries the records as they shall be; what an effect needs beyond
them (a token, EC2's answer) is fetched where the action is applied, and never stored in one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from mayfly.model import Capacity, Claim, Instance, Launch
from mayfly.ports import Change


@dataclass(frozen=True, slots=True)
class Write:
    """Change records in one transaction."""

    changes: tuple[Change, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Nudge:
    """Ask for a tick of `provision`."""

    reason: str


# -- dispatch ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Open:
    """Record jobs as claims, before they are reserved."""

    claims: tuple[Claim, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve jobs at Buildkite, or keep their reservations alive."""

    claims: tuple[Claim, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Bind:
    """Give a job to a ready instance. The assignment lacks the token, which is minted last."""

    claim: Claim
    instance: Instance
    assignment: Mapping[str, object]
    reason: str


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell Buildkite that a job failed here, with the reason that its claim bears."""

    claim: Claim
    reason: str


DispatchAction: TypeAlias = Write | Open | Reserve | Bind | Tell | Nudge


# -- provision -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Record a launch with its slots, then send it."""

    launch: Launch
    slots: tuple[Instance, ...]
    capacity: Capacity
    reason: str


@dataclass(frozen=True, slots=True)
class Send:
    """Send a recorded launch, again if need be, and settle it by EC2's answer."""

    launch: Launch
    slots: tuple[Instance, ...]
    reason: str


ProvisionAction: TypeAlias = Write | Start | Send


# -- sandbox -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace an instance's bootstrap profile by its sandbox profile."""

    instance: Instance
    association: str
    reason: str
    first: tuple[Change, ...] = ()
    """What to record before: without that record the profile stays as it is."""


SandboxAction: TypeAlias = Write | Replace | Nudge


# -- reap ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KeepWords:
    """Keep a failed host's report and console where they can be read tomorrow."""

    instance: Instance
    words: str
    reason: str
    then: tuple[Change, ...] = ()
    """What to record once they are kept: a failure to keep them is tried again."""


@dataclass(frozen=True, slots=True)
class Terminate:
    """End EC2 instances."""

    instance_ids: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Put a notice into a host's mailbox row."""

    row: str
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Clear:
    """Remove the mailbox rows of an instance that is gone."""

    instance: Instance
    reason: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Say that a person must look: a metric with an alarm, and an error in the log."""

    metric: str
    reason: str


ReapAction: TypeAlias = Write | KeepWords | Terminate | Notify | Clear | Alarm | Nudge
