"""Calls of stand-in commands, and the parts of the machine that they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mayfly_lab.machines.inside.scopes import Scopes
from mayfly_lab.machines.inside.units import Units


@dataclass(frozen=True)
class Call:
    """One call of a stand-in command."""

    argv: Sequence[str]
    pid: int
    uid: int
    unit: str
    """Name of the scope that systemd-run creates."""
    stdin: str
    waited: bool = False
    """Whether the caller asks again, because the answer was to wait."""


@dataclass(frozen=True)
class Answer:
    """Exit status and output of a call."""

    exit: int = 0
    out: str = ""
    err: str = ""
    again: bool = False
    """The real command would wait here: the caller asks again in a moment."""


class Machine(Protocol):
    """The parts of a machine that calls use."""

    namespaces: bool
    units: Units
    scopes: Scopes
    rules: str
    """The last rule file that nft loaded."""

    def go_off(self, seconds: float, *, again: bool = False, forced: bool = False) -> None:
        """Shut down after `seconds`. `again` reboots; `forced` kills processes without SIGTERM."""

    def stay_on(self) -> None:
        """Cancel a shutdown that is not yet due."""

    def memory_events(self, kills: int) -> None:
        """Write `memory.events`: so many processes were killed for lack of memory."""

    def keep_from_metadata(self, refused: list[range]) -> None:
        """Cut these users off from the metadata service. Raises OSError."""
