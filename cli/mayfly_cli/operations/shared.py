"""The values of the options that the commands for operators share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Shared:
    """The options that all commands for operators have."""

    stack: str | None = None
    region: str | None = None
    as_json: bool = False
    watch: timedelta | None = None

    @classmethod
    def taken(cls, options: dict[str, Any]) -> Shared:
        """The shared options, which are removed from `options`: the command's own ones are left."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: options.pop(name) for name in names if name in options})
