"""What is kept of changes of parameters and specs: what changed, when, by whom, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """One change of an SSM parameter below the stack's path: written once, then completed by `who`.

    Values are without secrets and cut to `LONGEST_VALUE` bytes.
    """

    name: str
    """The parameter's full name."""
    at: datetime
    """When SSM took the value; of a deletion, whose time SSM does not tell, when Mayfly noticed."""
    old: str | None = None
    """Value before. None where the parameter did not exist, or, with a `number` above 1, where the
    value before is not known any more."""
    new: str | None = None
    """Value since; None for a deletion."""
    number: int = 0
    """The version that SSM gave the new value, from 1; 0 for a deletion."""
    who: str = ""
    """ARN of the principal that made the change; empty while the principal is not known."""
    version: int = 0

    @property
    def id(self) -> str:
        """The change's name among records: 32 hexadecimal digits.

        A parameter that is made anew begins at version 1, so the time counts too. A digest, because
        a key of an index has at most 1,024 bytes, and a parameter's name may have as many.
        """
        named = f"{self.name}#{self.number}#{self.at.isoformat()}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class SpecChange:
    """One change of a queue's spec: from then on its new instances are made otherwise."""

    queue: str
    at: datetime
    """When `provision` saw the new spec first."""
    old: str
    new: str
    causes: tuple[str, ...] = ()
    """What has changed, each in words; `mayfly.config.specs` knows them."""
    version: int = 0

    @property
    def id(self) -> str:
        """The change's name among records: 32 hexadecimal digits."""
        named = f"{self.queue}#{self.old}#{self.new}#{self.at.isoformat()}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class LastSeen:
    """One parameter as the last read of `provision` found it."""

    number: int
    """SSM's version."""
    value: str
    """Without secrets, and cut: see `LONGEST_VALUE`."""
    modified: datetime | None = None
    """When SSM took the value; None where SSM did not say."""


@dataclass(frozen=True, slots=True)
class ParametersSeen:
    """The parameters of one queue, known or not, as last read. A difference from these is a change.

    A deleted parameter has no history in SSM, so its last value must be kept here.
    """

    group: str
    """The queue's key; empty for the names that are below no queue."""
    parameters: Mapping[str, LastSeen] = field(default_factory=dict)
    """By full name."""
    version: int = 0

    @property
    def open(self) -> bool:
        """Always True: ticks read a row until it is dropped."""
        return True
