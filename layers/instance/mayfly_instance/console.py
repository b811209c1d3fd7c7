"""The serial console: the only record of a host that could never send a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable

from mayfly_instance.clock import Clock
from mayfly_protocol.moments import stamp


class Console:
    """Writes lines with a time to the console device, without secrets."""

    def __init__(self, device: Path, clock: Clock, scrub: Callable[[str], str]) -> None:
        self._device = device
        self._clock = clock
        self._scrub = scrub

    def say(self, text: str) -> None:
        """Write each line of the text with the time. Writes to stderr if the device refuses."""
        when = stamp(self._clock.now())
        lines = [f"mayfly {when} {line}\n" for line in self._scrub(text).splitlines()]
        _write(self._device, "".join(lines).encode("utf-8", "replace"))


def _write(device: Path, content: bytes) -> None:
    try:
        # A console without a reader must not block, nor become the controlling terminal.
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
