"""Patches of moto, kept in one table each and taken back at the end.

Every patch states the parameters of the symbol that it was written against, so that another moto
stops the lab at its start instead of making it lie.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

MOTO = "5.2.5"
"""The version that all patches were written against."""
_ABSENT = object()


class MotoChangedError(RuntimeError):
    """A symbol of moto is not what a patch was written for."""


@dataclass(frozen=True, slots=True)
class Patch:
    """One attribute of moto that is replaced."""

    owner: Any
    name: str
    replacement: Any
    parameters: str
    """The names of the parameters of moto's own, as `self, name`."""

    def check(self) -> None:
        """Hold moto's own symbol to the stated parameters.

        Raises:
            MotoChangedError: it is missing or takes other arguments.
        """
        stock = getattr(self.owner, self.name, None)
        where = f"{getattr(self.owner, '__name__', self.owner)}.{self.name}"
        if not callable(stock):
            raise MotoChangedError(f"{where} is gone")
        found = ", ".join(inspect.signature(stock).parameters)
        if found != self.parameters:
            raise MotoChangedError(f"{where}({found}) was ({self.parameters}) in moto {MOTO}")


class Patches:
    """A set of patches that can be put in and taken out."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._patches = tuple(patches)
        self._replaced: list[tuple[Patch, Any]] = []

    def install(self) -> None:
        """Put the patches in.

        Raises:
            MotoChangedError: moto is not the version, or a symbol not what a patch was made for.
        """
        if version("moto") != MOTO:
            raise MotoChangedError(f"moto {version('moto')} is installed; the lab knows {MOTO}")
        for patch in self._patches:
            patch.check()
        for patch in self._patches:
            # The owner's own entry: an inherited one is not put back as if it were its own.
            own = vars(patch.owner).get(patch.name, _ABSENT)
            self._replaced.append((patch, own))
            setattr(patch.owner, patch.name, patch.replacement)

    def remove(self) -> None:
        """Put moto's own symbols back."""
        while self._replaced:
            patch, own = self._replaced.pop()
            if own is _ABSENT:
                delattr(patch.owner, patch.name)
            else:
                setattr(patch.owner, patch.name, own)
