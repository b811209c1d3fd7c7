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

MAYFLY = Path(sys.executable).with_name("mayfly")


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
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        said.seek(0)
        return Answer(said.read(), process.returncode, seconds, used.ru_utime + used.ru_stime)
