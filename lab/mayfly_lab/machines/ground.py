"""How this host can isolate machines: by namespaces, or only by directories."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mayfly.errors import Misconfigured

_NEEDED = "import sys, ctypes, json, selectors, argparse; sys.exit(sys.version_info < (3, 9))"
_SYSTEM = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_NOBODY = 65534
AGENT = "buildkite-agent"


class Kind(StrEnum):
    """How a machine is isolated from the host."""

    NAMESPACES = "namespaces"
    """Own mounts, processes, network, host name and user files; a machine's root has no rights on
    the host. Needs Linux, root and user namespaces."""
    DIRECTORY = "directory"
    """A directory and a tree of processes; users, mounts and firewall rules are stand-ins."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The isolation and the interpreter of machines on this host."""

    kind: Kind
    python: str
    """The machines' interpreter, Python 3.9 or newer."""
    python_prefix: str
    """The interpreter's prefix outside the system's own directories; empty when inside."""
    user: int | None
    """User id of machines; None for the lab's own user."""
    firewall: bool
    """Whether machines have the real nft."""


def directory_ground() -> Ground:
    """Ground for machines without namespaces; for root they run as nobody, to protect the host.

    Raises:
        Misconfigured: no interpreter is suitable.
    """
    user = _NOBODY if os.geteuid() == 0 else None
    return Ground(Kind.DIRECTORY, _python(user), "", user, firewall=False)


def namespace_ground(*, firewall: bool) -> Ground:
    """Ground for machines with namespaces.

    Raises:
        Misconfigured: no interpreter is suitable.
    """
    python = _python(None)
    inside = Path(python).resolve().is_relative_to("/usr")
    prefix = "" if inside else sys.base_prefix
    return Ground(Kind.NAMESPACES, python, prefix, None, firewall)


def _python(user: int | None) -> str:
    """The system's interpreter, as on a real image, else the lab's. Raises Misconfigured."""
    own = os.path.realpath(sys.executable)
    for candidate in ("/usr/bin/python3", own):
        if _runs([candidate, "-IS", "-c", _NEEDED], user):
            return candidate
    raise Misconfigured("machines need a Python 3.9 or newer that their user may run")


def _runs(argv: Sequence[str], user: int | None) -> bool:
    try:
        done = subprocess.run(
            argv,
            user=user,
            group=user,
            capture_output=True,
            cwd="/",
            timeout=20,
            check=False,
            start_new_session=True,
        )
    except OSError:
        return False
    return done.returncode == 0


def search_path(directory: Path) -> str:
    """A PATH to the host's programs without its agent: a machine installs its own agent.

    A directory of the host with an agent is replaced by a directory of links below `directory`.
    """
    places = [place for place in (*_SYSTEM, "/opt/homebrew/bin") if Path(place).is_dir()]
    return ":".join(_without_agent(Path(place), directory) for place in places)


def _without_agent(place: Path, directory: Path) -> str:
    if not (place / AGENT).exists():
        return str(place)
    shown = directory / place.relative_to("/")
    shown.mkdir(parents=True)
    for program in place.iterdir():
        if program.name != AGENT:
            (shown / program.name).symlink_to(program)
    return str(shown)
