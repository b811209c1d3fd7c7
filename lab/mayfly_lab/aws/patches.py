"""Patches of moto, installed at the start and removed at the end.

Every patch states the parameters of the symbol that it replaces, so that another version of moto
stops the lab at its start instead of changing its behaviour.
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
    """moto's version, or a symbol, is not the one that a patch was written for."""


@dataclass(frozen=True, slots=True)
class Patch:
    """The replacement of one attribute of moto."""

    owner: Any
    name: str
    replacement: Any
    parameters: str
    """Parameter names of moto's own symbol, such as `self, name`."""

    def check(self) -> None:
        """Check that moto's own symbol has the stated parameters.

        Raises:
            MotoChangedError: the symbol is missing or has other parameters.
        """
        stock = getattr(self.owner, self.name, None)
        where = f"{getattr(self.owner, '__name__', self.owner)}.{self.name}"
        if isinstance(stock, property):
            stock = stock.fget
        if not callable(stock):
            raise MotoChangedError(f"{where} is gone")
        found = ", ".join(inspect.signature(stock).parameters)
        if found != self.parameters:
            raise MotoChangedError(f"{where}({found}) was ({self.parameters}) in moto {MOTO}")


class Patches:
    """A set of patches to install and remove together."""

    def __init__(self, patches: Iterable[Patch]) -> None:
        self._patches = tuple(patches)
        self._replaced: list[tuple[Patch, Any]] = []

    def install(self) -> None:
        """Install the patches, or none of them.

        Raises:
            MotoChangedError: moto has another version, or a symbol has other parameters.
        """
        if version("moto") != MOTO:
            raise MotoChangedError(f"moto {version('moto')} is installed; the lab knows {MOTO}")
        for patch in self._patches:
            patch.check()
        for patch in self._patches:
            # Only the owner's own entry: `remove` must not turn an inherited attribute into an own.
            own = vars(patch.owner).get(patch.name, _ABSENT)
            self._replaced.append((patch, own))
            setattr(patch.owner, patch.name, patch.replacement)

    def remove(self) -> None:
        """Restore moto's own symbols."""
        while self._replaced:
            patch, own = self._replaced.pop()
            if own is _ABSENT:
                delattr(patch.owner, patch.name)
            else:
                setattr(patch.owner, patch.name, own)
