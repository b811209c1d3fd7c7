"""Verdicts on the console, and programs that are run with a limit of time."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

HOME = Path("/var/lib/mayfly-check")
USER = "mayfly-job"
IPV4, IPV6 = "169.254.169.254", "[fd00:ec2::254]"
UNITS = Path("/etc/systemd/system")
AT_MOST = 15 * 60
"""Seconds of one boot, after which the machine switches itself off."""
_LONGEST = 300


class Bad(Exception):
    """The scenario went wrong. The text says what was seen."""


class Skip(Exception):
    """The machine lacks what the scenario is about."""


def say(word: str, scenario: str, text: str) -> None:
    """Write a verdict to the console, and keep it on the disk."""
    flat = re.sub(r"[^ -~]+", " ", text)[:_LONGEST]
    line = f"mayfly-check|{word}|{scenario}|{flat}\n"
    # A full disk must not hide a verdict from the console.
    with contextlib.suppress(OSError), (HOME / "verdicts").open("a") as file:
        file.write(line)
    with Path("/dev/console").open("w") as console:
        console.write("\n" + line)


def run(*argv: str, seconds: float = 60, stdin: str = "") -> tuple[int, str]:
    """Exit status and whole output of a program. Raises Bad for one that takes longer."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            text=True,
        )
    except subprocess.TimeoutExpired:
        raise Bad(f"{' '.join(argv[:3])} took longer than {seconds:g} s") from None
    except OSError as error:
        return 127, str(error)
    return done.returncode, done.stdout.strip()


def must(*argv: str, seconds: float = 60, stdin: str = "") -> str:
    """Output of a program. Raises Bad if it fails."""
    status, output = run(*argv, seconds=seconds, stdin=stdin)
    if status:
        raise Bad(f"{' '.join(argv[:4])} exited with {status}: {output}")
    return output


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition comes to hold within so many seconds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.2)
    return True


def boot_id() -> str:
    """The kernel's id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write_unit(name: str, text: str) -> None:
    """Write a unit into /etc and make it known."""
    (UNITS / name).write_text(text)
    must("systemctl", "daemon-reload")
