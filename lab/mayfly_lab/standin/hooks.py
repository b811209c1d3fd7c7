"""Finds and runs hooks; the exports of a job's hook are kept for the job."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .options import Settings

_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
# Sources the hook, then writes environment and directory to files, even after a failure.
_WRAPPER = """
. "$1"
status=$?
env -0 > "$2"
pwd > "$3"
exit $status
"""


@dataclass(frozen=True)
class HookResult:
    """Status, environment and directory after a job's hook."""

    status: int
    env: Mapping[str, str]
    directory: Path


def directories(settings: Settings) -> list[Path]:
    """Directories of the agent's own hooks: the hooks path, then the additional paths."""
    paths = [settings["hooks-path"], *settings["additional-hooks-paths"].split(",")]
    return [Path(path) for path in paths if path]


def find(name: str, places: Iterable[Path]) -> list[Path]:
    """Hooks of this name, in the order of `places`."""
    return [place / name for place in places if (place / name).is_file()]


def execute(hook: Path, env: Mapping[str, str]) -> int:
    """Run a hook of the agent itself. Returns its exit status."""
    command = [str(hook)] if os.access(hook, os.X_OK) else ["/bin/bash", str(hook)]
    try:
        return subprocess.run(command, env=dict(env), check=False).returncode
    except OSError:
        return 126  # a shell's status for a file that cannot be executed


def run_job_hook(hook: Path, env: Mapping[str, str], directory: Path) -> HookResult:
    """Run a hook of the job. Returns the exports and directory of a shell script, too."""
    if not _is_shell(hook):
        status = subprocess.run([str(hook)], env=dict(env), cwd=directory, check=False).returncode
        return HookResult(status, env, directory)
    with tempfile.TemporaryDirectory(prefix="hook-") as scratch:
        after, where = Path(scratch) / "env", Path(scratch) / "pwd"
        command = ["/bin/bash", "-c", _WRAPPER, "hook", str(hook), str(after), str(where)]
        status = subprocess.run(command, env=dict(env), cwd=directory, check=False).returncode
        if not after.is_file():
            return HookResult(status, env, directory)  # the hook called `exit`
        return HookResult(status, _environment(after), Path(where.read_text().rstrip("\n")))


def _environment(path: Path) -> Mapping[str, str]:
    pairs = (entry.partition(b"=") for entry in path.read_bytes().split(b"\0") if entry)
    own = {b"_", b"SHLVL", b"OLDPWD"}
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs if name not in own}


def _is_shell(hook: Path) -> bool:
    with hook.open("rb") as file:
        first = file.readline().decode("utf-8", "replace")
    if first.startswith("\x7fELF"):
        return False
    if not first.startswith("#!"):
        return True
    words = first[2:].split()
    interpreter = words[-1] if words and words[0].endswith("/env") else (words or ["sh"])[0]
    return Path(interpreter).name in _SHELLS
