"""Commands of the lab as people start them: separate programs with a directory of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PATIENCE = 180.0


def git(folder: Path, *arguments: str) -> str:
    """Run git in a directory. Returns its output."""
    settings = ("-c", "user.name=Mayfly", "-c", "user.email=mayfly@example.org")
    done = subprocess.run(
        ("git", "-C", str(folder), *settings, *arguments),
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


def left_of(folder: Path) -> list[str]:
    """Remains of a lab with its temporary files in this directory: files, mounts, programs."""
    files = [str(each) for each in folder.iterdir()]
    mounts = [m for m in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in m]
    return files + mounts + programs_of(folder)


def programs_of(folder: Path) -> list[str]:
    """Programs with this directory in their environment or command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:  # the process has just ended
            continue
        if str(folder).encode() in told:
            found.append(f"{entry.name}: {told[:200]!r}")
    return found


@dataclass(slots=True)
class Command:
    """One run of `mayfly-lab`."""

    folder: Path
    arguments: tuple[str, ...]
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mayfly_lab.cli", *self.arguments],
            cwd=self.folder,
            env={**os.environ, "TMPDIR": str(self.temporary), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    @property
    def temporary(self) -> Path:
        """The directory for the command's temporary files."""
        return self.folder / "tmp"

    def ended(self) -> tuple[int, str]:
        """Wait for the command's end. Returns exit code and output."""
        try:
            output, _ = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            output, _ = self.process.communicate()
            raise AssertionError(f"the command does not end:\n{output}") from None
        return self.process.returncode, output

    def ready(self, file: Path) -> Any:
        """Wait until the command has written its file for scripts."""
        end = time.monotonic() + PATIENCE
        while not file.exists():
            assert self.process.poll() is None, self.ended()
            assert time.monotonic() < end, "the command does not get ready"
            time.sleep(0.1)
        return json.loads(file.read_text())

    def interrupt(self, times: int = 1) -> tuple[int, str]:
        """Press Ctrl-C `times` times. Returns exit code and output."""
        for _ in range(times):
            # A terminal signals the whole foreground process group.
            os.killpg(self.process.pid, signal.SIGINT)
            time.sleep(0.1)
        return self.ended()


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a command to its end, and assert that nothing is left. Returns exit code and output."""
    command = Command(folder, arguments)
    code, output = command.ended()
    assert left_of(command.temporary) == [], output
    return code, output
