"""The scripts as people run them, in an environment of their own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOKEN_KINDS = ("bkct_", "bkua_", "bkaa_", "bkaj_", "bkjat_")


@dataclass(frozen=True)
class Run:
    """How a script ended."""

    status: int
    out: str
    err: str

    def line(self, subject: str) -> str:
        """The table's line about something, with its remedy."""
        lines = self.out.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith(subject))
        following = lines[at + 1 :]
        more = []
        for line in following:
            if not line.startswith(" "):
                break
            more.append(line.strip())
        return " ".join([lines[at], *more])


def bare_environment(home: Path) -> dict[str, str]:
    """Of this environment only what finds programs: no credentials, no region, no profile."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "LC_ALL": "C.UTF-8",
    }


def run(
    script: str, *arguments: str, environment: Mapping[str, str], typed: str | None = None
) -> Run:
    """Run a script to its end; it must leave no token on the screen."""
    ended = subprocess.run(
        [str(ROOT / "scripts" / script), *arguments],
        env=dict(environment),
        input=typed,
        stdin=None if typed is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    shown = ended.stdout + ended.stderr
    assert "Traceback" not in shown, shown
    for value in environment.values():
        if value.startswith(TOKEN_KINDS):
            assert value not in shown
    return Run(ended.returncode, ended.stdout, ended.stderr)
