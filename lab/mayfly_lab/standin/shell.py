"""Runs the programs of a job, one after the other, with the changes that hooks make."""

from __future__ import annotations

import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

from .hooks import run_job_hook

_KILLED = 255
"""Exit status of a killed program, as in the real agent."""


class FailedError(Exception):
    """A phase of the job failed, with an exit status."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Shell:
    """The job's current environment and directory, and its running program."""

    def __init__(self, env: Mapping[str, str], seconds_to_kill: float) -> None:
        self.env = dict(env)
        self.directory = Path(env["BUILDKITE_BUILD_PATH"])
        self._stopped = False
        self._seconds_to_kill = seconds_to_kill
        self._running: subprocess.Popen[bytes] | None = None

    def obey_signals(self) -> None:
        """On SIGTERM, give the running program its grace period, then kill it.

        The program gets the signal from the agent, too.
        """

        def stop(*_: object) -> None:
            self._stopped = True
            self._kill_later()

        signal.signal(signal.SIGTERM, stop)

    def stopped(self) -> bool:
        """Whether the job has got SIGTERM."""
        return self._stopped

    def header(self, text: str) -> None:
        """Write a heading to the job's log."""
        self.say(f"~~~ {text}")

    def say(self, text: str) -> None:
        """Write a line to the job's log."""
        print(text, flush=True)

    def run(self, *command: str, echo: bool = True, check: bool = True) -> int:
        """Run a program. Returns its exit status.

        Raises:
            FailedError: the program cannot start, or fails with `check` set; or the job was
                stopped before.
        """
        if echo:
            self.say(f"$ {shlex.join(command)}")
        if self.stopped():
            raise FailedError(_KILLED, "the job was stopped")
        try:
            self._running = subprocess.Popen(command, env=self.env, cwd=self.directory)
        except OSError as error:
            raise FailedError(127, str(error)) from error
        if self.stopped():  # a signal since the check above has found no program to kill
            self._kill_later()
        status = self._running.wait()
        self._running = None
        status = status if status >= 0 else _KILLED
        if check and status != 0:
            raise FailedError(status, f"The command exited with status {status}")
        return status

    def output_of(self, *command: str) -> str:
        """A program's standard output, stripped; empty when the program fails."""
        completed = subprocess.run(
            command, env=self.env, cwd=self.directory, check=False, capture_output=True, text=True
        )
        return completed.stdout.strip() if completed.returncode == 0 else ""

    def run_hook(self, scope: str, hook: Path) -> None:
        """Run a hook, and keep its exports and directory.

        Raises:
            FailedError: the hook cannot start, or fails.
        """
        self.header(f"Running {scope} {hook.name} hook")
        self.say(f"$ {hook}")
        try:
            result = run_job_hook(hook, self.env, self.directory)
        except OSError as error:
            raise FailedError(126, str(error)) from error
        self.env, self.directory = dict(result.env), result.directory
        if result.status != 0:
            reason = f"The {scope} {hook.name} hook exited with status {result.status}"
            raise FailedError(result.status if result.status > 0 else _KILLED, reason)

    def _kill_later(self) -> None:
        running = self._running
        if running is None:
            return
        timer = threading.Timer(self._seconds_to_kill, running.kill)
        timer.daemon = True
        timer.start()
