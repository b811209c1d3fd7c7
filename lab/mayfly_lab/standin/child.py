"""Runs the bootstrap as a process in a session of its own, on a terminal unless `no-pty` is set."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from .options import Settings

_DRAIN_SECONDS = 0.1
# From buildkite/agent v3.83.1 process/pty.go and process.go. Without TERM and size, pagers wait.
_ROWS, _COLUMNS = 100, 160
_TERMINAL = "xterm-256color"


class Bootstrap:
    """Runs the job's bootstrap, and passes its output to `write`."""

    def __init__(
        self, settings: Settings, env: Mapping[str, str], write: Callable[[bytes], None]
    ) -> None:
        """Start the bootstrap.

        Raises:
            OSError: the process cannot be started.
        """
        command = [*program(), "bootstrap"]
        if settings.on("no-pty"):
            reading, writing = os.pipe()
        else:
            reading, writing = _terminal()
            env = {**env, "TERM": _TERMINAL}
        self._write = write
        self._reading = reading
        self._ended = threading.Event()
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(env),
                cwd=settings["build-path"],
                stdin=subprocess.DEVNULL if settings.on("no-pty") else writing,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        # A terminal hangs up the job's leftover processes; a pipe must be read to its end.
        self._patient = settings.on("no-pty")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait(self, seconds: float) -> bool:
        """Wait up to `seconds` for the bootstrap's end. Returns whether it has ended."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the bootstrap's process group."""
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return  # the bootstrap has ended meanwhile

    def collect(self) -> tuple[int, signal.Signals | None]:
        """Wait for the end and all output. Returns exit status and, if any, the fatal signal."""
        returncode = self._process.wait()
        self._ended.set()
        self._reader.join()
        if returncode >= 0:
            return returncode, None
        return -1, signal.Signals(-returncode)

    def _read(self) -> None:
        try:
            while self._has_more():
                content = os.read(self._reading, 65536)
                if not content:
                    return
                self._write(content)
        except OSError:
            return  # EIO: the last process on the terminal has ended
        finally:
            os.close(self._reading)

    def _has_more(self) -> bool:
        while not select.select([self._reading], [], [], _DRAIN_SECONDS)[0]:
            if self._ended.is_set() and not self._patient:
                return False
        return True


def _terminal() -> tuple[int, int]:
    reading, writing = pty.openpty()
    fcntl.ioctl(writing, termios.TIOCSWINSZ, struct.pack("4H", _ROWS, _COLUMNS, 0, 0))
    return reading, writing


def program() -> list[str]:
    """Command line that starts this program again: the interpreter and the packed file."""
    return [sys.executable, str(Path(__file__).resolve().parents[1])]
