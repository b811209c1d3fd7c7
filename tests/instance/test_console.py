"""Last words on consoles that are slow, held, gone or full."""

from __future__ import annotations

import errno
import os
import pty
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from mayfly_instance import console as module
from mayfly_instance.console import Console
from tests.instance.fakes import FakeClock

RATE = 11_520
"""Bytes that a serial line of 115,200 baud sends in a second."""


class SerialLine:
    """A terminal that is read at the rate of a serial line while the fake clock runs."""

    def __init__(self, clock: FakeClock, rate: int = RATE) -> None:
        self.near, self._far = pty.openpty()
        tty.setraw(self._far)
        os.set_blocking(self.near, False)
        self.device = Path(os.ttyname(self._far))
        self.sent = b""
        self._rate = rate
        self._clock = clock
        if rate:
            clock.after(0.01, self._tick)

    def _tick(self) -> None:
        self.sent += self._read(self._rate // 100)
        self._clock.after(0.01, self._tick)

    def _read(self, most: int) -> bytes:
        try:
            return os.read(self.near, most)
        except BlockingIOError:
            return b""

    def text(self) -> str:
        """Everything that the console has taken so far, as one text."""
        # The kernel hands bytes on to the other end in a thread of its own.
        quiet = time.monotonic() + 0.05
        while time.monotonic() < quiet:
            if piece := self._read(65536):
                self.sent += piece
                quiet = time.monotonic() + 0.05
        return self.sent.decode("utf-8", "replace")

    def close(self) -> None:
        os.close(self.near)
        os.close(self._far)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def line(clock: FakeClock) -> Iterator[SerialLine]:
    line = SerialLine(clock)
    yield line
    line.close()


@pytest.fixture
def held(clock: FakeClock) -> Iterator[SerialLine]:
    """A line that takes nothing once its buffers are full."""
    line = SerialLine(clock, rate=0)
    yield line
    line.close()


def a_console(line: SerialLine, clock: FakeClock) -> Console:
    return Console(line.device, clock, str)


def words(lines: int, width: int = 200) -> list[str]:
    return [f"{number:04}".ljust(width, "x") for number in range(lines)]


def test_last_words_arrive_whole_on_a_slow_line(clock: FakeClock, line: SerialLine) -> None:
    """40 KB: 3.5 seconds of a serial line, many times what its buffers hold."""
    console = a_console(line, clock)
    for each in words(200):
        console.say(each)
    console.finish()

    seen = line.text().splitlines()
    assert [each.split(" ", 2)[2] for each in seen] == words(200)
    assert clock.passed < 10.6


def test_a_message_waits_for_a_slow_line_for_a_second_at_most(
    clock: FakeClock, line: SerialLine
) -> None:
    console = a_console(line, clock)
    console.say("\n".join(words(200)))
    assert 1 <= clock.passed < 1.1

    console.say("no wait: earlier text waits, too")
    assert clock.passed < 1.1


def test_text_that_waits_goes_out_with_the_next_message(clock: FakeClock, line: SerialLine) -> None:
    console = a_console(line, clock)
    console.say("\n".join(words(150)))
    clock.sleep(3)
    console.say("next")
    clock.sleep(3)
    console.say("last")

    seen = [each.split(" ", 2)[2] for each in line.text().splitlines()]
    assert seen == [*words(150), "next", "last"]


def test_a_held_line_holds_up_messages_and_power_off_within_their_limits(
    clock: FakeClock, held: SerialLine
) -> None:
    console = a_console(held, clock)
    for each in words(400):
        console.say(each)
    assert clock.passed < 1.1

    console.finish()
    assert clock.passed < 1.1 + 10.6


def test_a_line_that_is_held_for_a_while_loses_nothing(clock: FakeClock, held: SerialLine) -> None:
    console = a_console(held, clock)
    for each in words(100):
        console.say(each)
    clock.after(5, held.text)
    clock.after(6, held.text)
    console.finish()

    assert [each.split(" ", 2)[2] for each in held.text().splitlines()] == words(100)


def test_what_a_line_never_takes_leaves_a_mark(clock: FakeClock, held: SerialLine) -> None:
    console = a_console(held, clock)
    for each in words(200):
        console.say(each)
    # The line moves again just when the last words are given up.
    clock.after(module.LAST_WORDS + 0.1, held.text)
    console.finish()

    *whole, cut = held.text().splitlines()
    kept, mark, missing = cut.partition(" [")
    assert mark
    assert missing.endswith(" bytes are missing here]")
    assert [each.split(" ", 2)[2] for each in whole] == words(200)[: len(whole)]
    sent = sum(len(each) + 1 for each in whole) + len(kept)
    lost = int(missing.split()[0])
    assert sent + lost == sum(len(f"mayfly {'t' * 24} {each}\n") for each in words(200))


def test_the_oldest_lines_give_way_to_newer_ones_beyond_what_ec2_shows(
    clock: FakeClock, held: SerialLine
) -> None:
    console = a_console(held, clock)
    for each in words(1000):
        console.say(each)
    clock.sleep(1)
    for delay in range(1, 100):
        clock.after(delay / 20, held.text)
    console.finish()

    seen = held.text().splitlines()
    marked = [each for each in seen if each.endswith(" bytes are missing here]")]
    assert len(marked) == 1
    after = seen[seen.index(marked[0]) + 1 :]
    assert [each.split(" ", 2)[2] for each in after] == words(1000)[-len(after) :]
    assert 60_000 < sum(len(each) + 1 for each in after) <= 64 * 1024


def test_a_very_long_line_is_cut_with_a_mark(clock: FakeClock, line: SerialLine) -> None:
    a_console(line, clock).say("x" * 5000)
    clock.sleep(1)
    assert line.text().endswith("x [1000 characters are missing here]\n")


def test_a_file_takes_everything_at_once(clock: FakeClock, tmp_path: Path) -> None:
    console = Console(tmp_path / "console", clock, str)
    (tmp_path / "console").touch()
    console.say("\n".join(words(300)))
    console.finish()

    seen = (tmp_path / "console").read_text().splitlines()
    assert [each.split(" ", 2)[2] for each in seen] == words(300)
    assert clock.passed < 0.1


def test_a_pipe_that_nobody_reads_holds_up_no_message(clock: FakeClock, tmp_path: Path) -> None:
    pipe = tmp_path / "console"
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    console = Console(pipe, clock, str)
    for each in words(1000):
        console.say(each)
    console.finish()
    os.close(reading)

    assert clock.passed < 1.1 + 10.6


def test_a_device_that_refuses_leaves_the_words_to_stderr(
    clock: FakeClock, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    console = Console(tmp_path / "missing", clock, str)
    console.say("one")
    console.say("two")
    console.finish()

    seen = capfd.readouterr().err
    assert [each.split(" ", 2)[2] for each in seen.splitlines()] == ["one", "two"]


def test_power_off_waits_until_the_line_has_sent_what_it_took(
    clock: FakeClock, line: SerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal of the tests keeps no count of unsent bytes, as a serial line does."""
    until = 2.0
    counts: list[int] = []

    def ioctl(_: int, request: int, __: bytes) -> bytes:
        assert request == termios.TIOCOUTQ
        counts.append(4096 if clock.passed < until else 0)
        return counts[-1].to_bytes(4, "little")

    monkeypatch.setattr("mayfly_instance.line.fcntl.ioctl", ioctl)
    console = a_console(line, clock)
    console.say("switching off")
    console.finish()
    assert until <= clock.passed < until + 0.1


def test_a_line_is_closed_only_when_that_cannot_block(
    clock: FakeClock, held: SerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last close of a serial line waits for what is unsent, up to 30 seconds."""
    unsent = 100
    discarded: list[int] = []

    def discard(_: int, queue: int) -> None:
        nonlocal unsent
        discarded.append(queue)
        unsent = 0

    def close(descriptor: int) -> None:
        assert unsent == 0
        really_close(descriptor)

    really_close = os.close
    monkeypatch.setattr("mayfly_instance.line.fcntl.ioctl", lambda *_: unsent.to_bytes(4, "little"))
    monkeypatch.setattr("mayfly_instance.line.termios.tcflush", discard)
    monkeypatch.setattr("mayfly_instance.line.os.close", close)
    console = a_console(held, clock)
    console.say("one")
    console.say("two")
    assert discarded == []

    console.finish()
    assert discarded == [termios.TCOFLUSH]
    assert clock.passed < 10.6


def test_a_line_that_was_hung_up_is_opened_again(
    clock: FakeClock, line: SerialLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login on the line does that (vhangup): writes of others then fail."""
    hung_up = False

    def write(descriptor: int, content: bytes) -> int:
        nonlocal hung_up
        if hung_up:
            hung_up = False
            raise OSError(errno.EIO, "Input/output error")
        return really_write(descriptor, content)

    really_write = os.write
    monkeypatch.setattr("mayfly_instance.line.fcntl.ioctl", lambda *_: b"\1\0\0\0")
    monkeypatch.setattr("mayfly_instance.line.os.write", write)
    console = a_console(line, clock)
    console.say("before")
    hung_up = True
    console.say("after")

    assert [each.split(" ", 2)[2] for each in line.text().splitlines()] == ["before", "after"]


def test_a_host_that_fails_says_so_on_a_slow_line(clock: FakeClock, line: SerialLine) -> None:
    """The shape of a failure's report: a reason, and twenty lines of last words."""
    console = a_console(line, clock)
    console.say("FAILED at: set-up: it broke")
    for each in words(20, width=3900):
        console.say(f"| {each}")
    console.say("switching off")
    console.finish()

    seen = [each.split(" ", 2)[2] for each in line.text().splitlines()]
    assert seen[-1] == "switching off"
    assert seen[-2].startswith("| 0019")
