"""Set-up of the image: users, directories, programs, the pinned agent and hooks.

What the image already has stays.
"""

from __future__ import annotations

import hashlib
import re
import tarfile
from pathlib import Path
from typing import Callable

from mayfly_instance import agent, containers
from mayfly_instance.aws import Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.host import Host
from mayfly_instance.machine import Machine
from mayfly_instance.places import JOB_USER
from mayfly_instance.retries import PATIENCE, retry

PACKAGES = {"git": "git", "nft": "nftables"}
"""Amazon Linux package by program, for each program that a host needs besides the agent."""

_TRANSIENT = re.compile(r"error: (?:408|429|5\d\d)|curl: \((?:5|6|7|16|18|28|35|52|55|56|92)\)")
"""curl's words for throttling, server errors, broken connections. Source: curl(1), EXIT CODES."""

JOB_HOOKS = (
    "environment",
    "pre-checkout",
    "checkout",
    "post-checkout",
    "pre-command",
    "command",
    "post-command",
    "pre-artifact",
    "post-artifact",
    "pre-exit",
    "agent-startup",
    "agent-shutdown",
)
"""Operator hooks that the agent runs. Mayfly's own `pre-bootstrap` calls the operator's."""


def set_up(machine: Machine, host: Host, clock: Clock, say: Callable[[str], object]) -> agent.Agent:
    """Create users and directories, install programs and the pinned agent.

    `say` gets what a download waits for. Returns the installed agent. Raises HostFailure if the
    image lacks something that cannot be installed.
    """
    places = machine.places
    machine.add_user(JOB_USER, places.job_home)
    make_directories(machine)
    containers.set_up(machine)
    _install_programs(machine)
    return _install_agent(machine, host, clock, say)


def make_directories(machine: Machine) -> None:
    """Create what is missing of the directories, at each boot: those below /run are in memory."""
    places = machine.places
    for directory in (places.run, places.operator_hooks, places.hooks):
        machine.make_directory(directory)
    machine.make_directory(places.logs, 0o700)
    for directory in (places.builds, places.plugins, places.sockets):
        machine.make_directory(directory, 0o700, JOB_USER)


def install_hooks(machine: Machine, found: agent.Agent) -> None:
    """Give all hooks to root, after the operator's script has installed the operator's hooks.

    For an agent without `additional-hooks-paths`, link the operator's hooks into Mayfly's hooks
    path. Raises OSError.
    """
    places = machine.places
    machine.make_root_own(places.operator_hooks)
    machine.make_root_own(places.hooks)
    for name in JOB_HOOKS:
        operator_hook = places.operator_hooks / name
        if operator_hook.exists() and not found.additional_hooks:
            machine.link(places.hooks / name, operator_hook)


def _install_programs(machine: Machine) -> None:
    missing = [package for name, package in PACKAGES.items() if machine.find(name) is None]
    if missing:
        machine.install(missing)
    still_missing = [name for name in PACKAGES if machine.find(name) is None]
    if still_missing:
        raise HostFailure(f"the image lacks {', '.join(still_missing)}, and dnf did not install it")


def _install_agent(
    machine: Machine, host: Host, clock: Clock, say: Callable[[str], object]
) -> agent.Agent:
    """The pinned agent: the image's own if it has that version, else from the release archive."""
    found = agent.probe(machine)
    if found is not None and host.agent_version in {"", found.version}:
        return found
    if not host.agent_version:
        raise HostFailure("the image has no buildkite-agent, and the queue pins no version")
    architecture = machine.architecture()
    wanted = host.agent_sha256.get(architecture, "")
    url = host.agent_url.replace("{version}", host.agent_version).replace("{arch}", architecture)
    archive = machine.places.run / "agent.tar.gz"
    try:
        retry(lambda: _download(machine, url, archive), clock, PATIENCE, say)
    except Unavailable as error:
        raise HostFailure(f"{url} cannot be fetched: {error}") from error
    if _sha256(archive) != wanted.lower():
        raise HostFailure(f"{url} has another SHA-256 than the queue pins for {architecture}")
    _unpack(machine, archive, url)
    machine.remove(archive)
    found = agent.probe(machine)
    if found is None or found.version != host.agent_version:
        raise HostFailure(f"{url} contains agent version {found and found.version}")
    return found


def _download(machine: Machine, url: str, archive: Path) -> None:
    """Raises Unavailable where a retry may succeed, else HostFailure."""
    try:
        machine.download(url, archive)
    except CommandFailed as error:
        if _TRANSIENT.search(error.words):
            raise Unavailable(f"{url}: {error.words.strip()}") from error
        raise HostFailure(f"{url} cannot be fetched: {error.reason}", error.words) from error


def _sha256(path: Path) -> str:
    """SHA-256 in hexadecimal. Reads in pieces: the smallest instances have 0.5 GiB of memory."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _unpack(machine: Machine, archive: Path, url: str) -> None:
    """Install only the agent's program; the release archive also contains hooks and settings."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.isfile() and Path(member.name).name == "buildkite-agent":
                    file = tar.extractfile(member)
                    if file is not None:
                        machine.write_file(machine.places.binaries / "buildkite-agent", file, 0o755)
                        return
    except (tarfile.TarError, OSError, EOFError) as error:
        raise HostFailure(f"{url} is not a readable archive: {error}") from error
    raise HostFailure(f"{url} contains no buildkite-agent")
