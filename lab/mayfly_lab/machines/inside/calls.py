"""Calls of stand-ins and what they can reach of the machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mayfly_lab.machines.inside.scopes import Scopes
from mayfly_lab.machines.inside.units import Units


@dataclass(frozen=True)
class Call:
    """One call of a stand-in."""

    argv: Sequence[str]
    pid: int
    uid: int
    unit: str
    """The scope that systemd-run is to make."""
    stdin: str


@dataclass(frozen=True)
class Answer:
    """What the caller sees of it."""

    exit: int = 0
    out: str = ""
    err: str = ""


class Machine(Protocol):
    """What a call can reach of the machine."""

    namespaces: bool
    units: Units
    scopes: Scopes
    rules: str
    """What nft was last told."""

    def go_off(self, seconds: float, *, again: bool = False, forced: bool = False) -> None:
        """Shut down after so many seconds; `again` boots once more; `forced` asks nobody to end."""

    def stay_on(self) -> None:
        """Take back a shutdown that is not yet due."""

    def keep_from_metadata(self, refused: list[range]) -> None:
        """Make true that these users get no answer from the metadata service. Raises OSError."""
