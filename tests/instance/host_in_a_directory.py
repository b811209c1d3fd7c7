"""Runs the supervisor, under the host's Python, on a machine that is one directory.

`python3.9 host_in_a_directory.py -m mayfly_instance [sandbox]`, with MAYFLY_ROOT set.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "layers/protocol"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "layers/instance"))

from mayfly_instance import machine
from mayfly_instance.proc import Process


class OneDirectory(machine.Machine):
    """A machine on which one user owns all files and the supervisor is the only process."""

    def processes(self) -> list[Process]:
        """Only this process."""
        return [each for each in super().processes() if each.pid == os.getpid()]

    def uid_of(self, user: str) -> int:
        """The id of the one user."""
        return os.getuid()

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """False, as with a working packet filter."""
        return False

    def _own(self, path: Path, owner: str) -> None:
        pass


if __name__ == "__main__":
    # From the sources: the supervisor works in MAYFLY_ROOT's code directory, which has no code.
    vars(machine)["Machine"] = OneDirectory
    sys.argv = [sys.argv[0], *sys.argv[3:]]
    runpy.run_module("mayfly_instance", run_name="__main__", alter_sys=True)
