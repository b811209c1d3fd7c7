"""Runs the command `mayfly` as a subprocess with a given environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAYFLY = Path(sys.executable).with_name("mayfly")
TOKEN_KINDS = ("bkct_", "bkua_", "bkaa_", "bkaj_", "bkjat_")


@dataclass(frozen=True)
class Run:
    """Exit status and output of a finished command."""

    status: int
    out: str
    err: str

    def line(self, subject: str) -> str:
        """The table's row of a subject, joined with its continuation lines and its remedy."""
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
    """An environment with PATH, HOME and locale only: no credentials, no region, no profile."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AWS_EC2_METADATA_DISABLED": "true",
        "LC_ALL": "C.UTF-8",
    }


def run(
    command: str, *arguments: str, environment: Mapping[str, str], typed: str | None = None
) -> Run:
    """Run a subcommand to its end. Asserts that the output has no traceback and no token."""
    ended = subprocess.run(
        [MAYFLY, command, *arguments],
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


def one_line(ended: Run) -> str:
    """The error line of a command that could not begin. Asserts status 2 and no other output."""
    assert (ended.status, ended.out) == (2, "")
    [line] = ended.err.splitlines()
    return line


def start(command: str, *arguments: str, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a subcommand, for a test that stops it."""
    return subprocess.Popen(
        [MAYFLY, command, *arguments],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
