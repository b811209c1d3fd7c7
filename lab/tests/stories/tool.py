"""The operators' tool as a process of its own, over a lab."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

MAYFLY = Path(sys.executable).with_name("mayfly")
PATIENCE = 120.0
"""Seconds after which a command is killed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, how it ended, and its seconds by the clock and of the processor."""

    said: str
    ended: int
    seconds: float
    processor: float

    @property
    def words(self) -> str:
        """What the command printed, without its line breaks."""
        return " ".join(self.said.split())


def asked(
    words: Sequence[str], variables: Mapping[str, str], *, width: int = 110, errors: bool = True
) -> Answer:
    """Run the tool. `variables` has the credentials; `errors` keeps standard error too."""
    environment = {**os.environ, **variables, "COLUMNS": str(width), "NO_COLOR": "1"}
    with tempfile.TemporaryFile("w+") as said:
        begun = time.monotonic()
        process = subprocess.Popen(
            [MAYFLY, *words],
            env=environment,
            stdout=said,
            stderr=subprocess.STDOUT if errors else subprocess.DEVNULL,
        )
        limit = Timer(PATIENCE, process.kill)
        limit.start()
        _, status, used = os.wait4(process.pid, 0)
        limit.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        said.seek(0)
        return Answer(said.read(), process.returncode, seconds, used.ru_utime + used.ru_stime)
