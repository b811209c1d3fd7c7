"""The pace of a machine's console."""

from __future__ import annotations

import os
import selectors

import pytest

from mayfly_lab.machines.serial_line import BYTES_PER_SECOND, WAITING, SerialLine


def test_a_console_is_hidden_until_its_line_has_sent_what_was_read() -> None:
    now = 100.0
    reading, writing = os.pipe()
    os.write(writing, b"x" * WAITING)
    with selectors.DefaultSelector() as selector:
        line = SerialLine(selector, lambda: now)
        line.adopt(reading)
        assert line.go_on() is None
        assert [key.fd for key, _ in selector.select(0)] == [reading]

        line.send(reading, BYTES_PER_SECOND // 2)
        assert line.go_on() == pytest.approx(0.5)
        assert selector.select(0) == []

        now += 0.5
        assert line.go_on() is None
        assert [key.fd for key, _ in selector.select(0)] == [reading]
    os.close(reading)
    os.close(writing)


def test_a_console_holds_no_more_than_what_waits_for_a_line() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with selectors.DefaultSelector() as selector:
        SerialLine(selector).adopt(reading)
        assert os.write(writing, b"x" * 40_000) == WAITING
    os.close(reading)
    os.close(writing)
