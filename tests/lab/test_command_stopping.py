"""How a command takes the wish that it ends."""

from __future__ import annotations

import os
import signal

import pytest

from mayfly_lab.commands.stopping import Stop, Stopped


def test_a_command_whose_output_nobody_reads_can_be_stopped() -> None:
    """As `mayfly-lab run … 2>&1 | head -1`: the end of the pipe is closed when the signal comes."""
    reading, writing = os.pipe()
    os.close(reading)
    before = os.dup(2)
    stop = Stop()
    try:
        with stop.listening():
            os.dup2(writing, 2)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Stopped):
                stop.wait(5)
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(writing)
