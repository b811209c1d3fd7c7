"""What set-up adds to an image, and how it is laid out for the job. What is there is left alone."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

from mayfly_instance import agent
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.host import Host
from mayfly_instance.machine import Machine
from mayfly_instance.places import JOB_USER

PACKAGES = {"git": "git", "nft": "nftables"}
"""Programs that a host needs besides the agent, and the packages of Amazon Linux that have them."""

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
"""Hooks of an operator that the agent looks for; `pre-bootstrap` is called by ours."""


def set_up(machine: Machine, host: Host) -> agent.Agent:
    """Users, directories, programs and the pinned agent. Raises HostFailure."""
    places = machine.places
    machine.add_user(JOB_USER, places.job_home)
    for directory in (places.run, places.operator_hooks, places.hooks):
        machine.make_directory(directory)
    machine.make_directory(places.logs, 0o700)
    for directory in (places.builds, places.plugins, places.sockets):
        machine.make_directory(directory, 0o700, JOB_USER)
    _install_programs(machine)
    return _install_agent(machine, host)


def settle_hooks(machine: Machine, found: agent.Agent) -> None:
    """Make all hooks root's, once the operator's script has put theirs in place.

    An agent that knows no further hooks path finds theirs beside ours. Raises OSError.
    """
    places = machine.places
    machine.take_from_others(places.operator_hooks)
    machine.take_from_others(places.hooks)
    for name in JOB_HOOKS:
        theirs = places.operator_hooks / name
        if theirs.exists() and not found.additional_hooks:
            machine.link(places.hooks / name, theirs)


def _install_programs(machine: Machine) -> None:
    missing = [package for name, package in PACKAGES.items() if machine.find(name) is None]
    if missing:
        machine.install(missing)
    still = [name for name in PACKAGES if machine.find(name) is None]
    if still:
        raise HostFailure(f"the image lacks {', '.join(still)}, and dnf did not bring it")


def _install_agent(machine: Machine, host: Host) -> agent.Agent:
    """The pinned agent: the image's own if it is of that version, else the release archive."""
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
        machine.download(url, archive)
    except CommandFailed as error:
        raise HostFailure(f"{url} cannot be fetched: {error.reason}", error.words) from error
    if _sha256(archive) != wanted.lower():
        raise HostFailure(f"{url} has another SHA-256 than the queue pins for {architecture}")
    _unpack(machine, archive, url)
    machine.remove(archive)
    found = agent.probe(machine)
    if found is None or found.version != host.agent_version:
        raise HostFailure(f"{url} holds agent {found and found.version}")
    return found


def _sha256(path: Path) -> str:
    """In hexadecimal; piece by piece, for the smallest instances have half a gigabyte of memory."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def _unpack(machine: Machine, archive: Path, url: str) -> None:
    """Put the agent in place out of its release archive, which has hooks and settings besides."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.isfile() and Path(member.name).name == "buildkite-agent":
                    file = tar.extractfile(member)
                    if file is not None:
                        machine.lay_down(machine.places.binaries / "buildkite-agent", file, 0o755)
                        return
    except (tarfile.TarError, OSError, EOFError) as error:
        raise HostFailure(f"{url} is no readable archive: {error}") from error
    raise HostFailure(f"{url} holds no buildkite-agent")
