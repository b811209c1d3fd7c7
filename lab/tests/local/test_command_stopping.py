"""Signals to a command, and the end of a stopped command."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from mayfly_lab.commands.stopping import Stop, Stopped


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """Restore the signal handlers, because a stopped command leaves signals ignored.

    In real life its process ends then.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


def test_signals_are_ignored_after_a_command_was_stopped() -> None:
    stop = Stop()
    with stop.listening():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_second_signal_gets_a_message_and_changes_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    stop = Stop()
    with stop.listening():
        for _ in range(2):
            signal.raise_signal(signal.SIGINT)
        assert stop.requested
    first, second = capfd.readouterr().err.splitlines()
    assert first.endswith("stopping: machines and functions end first")
    assert second.endswith("already stopping")


def test_signal_handlers_are_restored_after_an_unstopped_command() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stop().listening():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_command_with_a_closed_output_pipe_can_be_stopped() -> None:
    """As in `mayfly-lab run … 2>&1 | head -1`: the pipe is closed before the signal arrives."""
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
