"""The commands of this system that make trees and disks of machines."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from mayfly.errors import Misconfigured

# Whatever ends the asking process ends the build: its processes, then its mounts.
_ALONE = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--"),
)
_TRIAL = "mount -t tmpfs tmpfs /tmp && mknod /tmp/null c 1 3 && echo >/tmp/null"
_TRIAL_SECONDS = 30.0
_TARGET = "$(ORIGIN) $(LABEL) $(REPO_URI)"


class Commands(Protocol):
    """What `Trees` asks of the system that it runs on."""

    def is_root(self) -> bool:
        """Whether this process is root's."""
        ...

    def lacking(self, programs: Sequence[str]) -> list[str]:
        """Those of the programs that the system has not."""
        ...

    def may_build(self) -> bool:
        """Whether a command may have mounts and processes of its own, and make device files."""
        ...

    def mirror(self) -> str:
        """The URL of the Debian mirror that apt uses; empty if apt knows none.

        Raises:
            Misconfigured: apt cannot read its own settings.
        """
        ...

    def run(self, argv: Sequence[str], log: Path, lock: int, seconds: float) -> int | None:
        """Run the command alone, with its output in `log`; its exit status, None out of time.

        The command and its children hold the file descriptor `lock` open until they end.
        """
        ...


class SystemCommands:
    """The commands of the machine that this process runs on."""

    def is_root(self) -> bool:
        """See `Commands`."""
        return os.geteuid() == 0

    def lacking(self, programs: Sequence[str]) -> list[str]:
        """See `Commands`."""
        return [each for each in programs if not shutil.which(each, path=_path())]

    def may_build(self) -> bool:
        """See `Commands`."""
        done = subprocess.run(
            (*_ALONE, "sh", "-c", _TRIAL),
            capture_output=True,
            env=_environment(),
            timeout=_TRIAL_SECONDS,
            start_new_session=True,
            check=False,
        )
        return done.returncode == 0

    def mirror(self) -> str:
        """See `Commands`."""
        listed = subprocess.run(
            ("apt-get", "indextargets", "--format", _TARGET, "Created-By: Packages"),
            capture_output=True,
            text=True,
            env=_environment(),
            timeout=_TRIAL_SECONDS,
            start_new_session=True,
            check=False,
        )
        if listed.returncode != 0:
            raise Misconfigured(f"apt cannot read its settings: {listed.stderr.strip()}")
        return mirror_of(listed.stdout)

    def run(self, argv: Sequence[str], log: Path, lock: int, seconds: float) -> int | None:
        """See `Commands`."""
        with log.open("wb") as output:
            try:
                done = subprocess.run(
                    (*_ALONE, *argv),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=_environment(),
                    pass_fds=(lock,),
                    start_new_session=True,
                    timeout=seconds,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return None
        return done.returncode


def mirror_of(targets: str) -> str:
    """The mirror in lines of `ORIGIN LABEL URL`; empty if none is a mirror of Debian itself.

    The archive of security updates has Debian's origin and another label: it is not complete.
    """
    for line in targets.splitlines():
        origin, _, rest = line.partition(" ")
        label, _, url = rest.partition(" ")
        if (origin, label) == ("Debian", "Debian"):
            return url
    return ""


def _path() -> str:
    """The PATH, with the directories of root's programs, which a PATH of root may lack."""
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": _path(), "LC_ALL": "C"}
