"""What is kept of changes of parameters, so that people can ask what changed, when, and by whom."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ParameterChange:
    """One change of an SSM parameter below the stack's path: written once, then completed by `who`.

    Values are without secrets and cut to `LONGEST_VALUE` bytes.
    """

    name: str
    """The parameter's full name."""
    at: datetime
    """When SSM took the value. SSM does not tell that of a deletion: when Mayfly missed it."""
    old: str | None = None
    """Value before. None where the parameter did not exist; with a `number` above 1 it did exist,
    and nobody knows its value any more."""
    new: str | None = None
    """Value since; None for a deletion."""
    number: int = 0
    """The version that SSM gave the new value, from 1; 0 for a deletion."""
    who: str = ""
    """ARN of the principal that made the change; empty while nobody has told it."""
    version: int = 0

    @property
    def id(self) -> str:
        """The change's name among records: 32 hexadecimal digits.

        A parameter that is made anew begins at version 1, so the time counts too. A digest, because
        a key of an index has at most 1,024 bytes, and a parameter's name may have as many.
        """
        named = f"{self.name}#{self.number}#{self.at.isoformat()}"
        return hashlib.sha256(named.encode()).hexdigest()[:32]

    @property
    def open(self) -> bool:
        """Always False: no tick has to go on with a change."""
        return False
