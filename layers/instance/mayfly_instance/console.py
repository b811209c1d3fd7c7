"""The serial console: the one record that outlives a host which nobody could talk to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

from mayfly_instance.clock import Clock
from mayfly_protocol.moments import stamp


class Console:
    """Each step is a line with its time, scrubbed of secrets."""

    def __init__(self, device: Path, clock: Clock, scrub: Callable[[str], str]) -> None:
        self._device = device
        self._clock = clock
        self._scrub = scrub

    def say(self, text: str) -> None:
        """Write one line, or more when the text has more."""
        when = stamp(self._clock.now())
        lines = [f"mayfly {when} {line}\n" for line in self._scrub(text).splitlines()]
        _write(self._device, "".join(lines).encode("utf-8", "replace"))


def _write(device: Path, content: bytes) -> None:
    try:
        # A console without a reader must not hold us up, nor become our terminal.
        flags = os.O_WRONLY | os.O_APPEND | os.O_NOCTTY | os.O_NONBLOCK
        descriptor = os.open(device, flags)
    except OSError:
        os.write(2, content)
        return
    try:
        os.write(descriptor, content)
    except OSError:
        os.write(2, content)
    finally:
        os.close(descriptor)
