"""A parameter's entry in the operating guide."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Description:
    """A parameter's entry in the operating guide. `default` has the parameter's own notation."""

    name: str
    meaning: str
    allowed: str
    default: str = "none"
