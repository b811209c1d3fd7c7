"""Replaces the supervisor's `Machine` by `DirectoryMachine`.

The python3 of a machine without namespaces imports this module first.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_TARGET = "mayfly_instance.machine"


class _Finder(MetaPathFinder):
    """Finds the real module, and replaces its `Machine` after the module has run."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != _TARGET:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec


class _Loader(Loader):
    def __init__(self, real: Loader) -> None:
        self._real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._real.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._real.exec_module(module)
        _replace_machine(module)


def _replace_machine(module: ModuleType) -> None:
    # A late import: DirectoryMachine is a subclass of the module's own Machine.
    from mayfly_lab.machines.inside.directory_machine import DirectoryMachine

    vars(module)["Machine"] = DirectoryMachine


sys.meta_path.insert(0, _Finder())
