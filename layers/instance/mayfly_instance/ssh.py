"""ssh for the job's git: agents that hold its keys, and the hosts that ssh knows.

Two agents, because a git host takes the first key that it knows, and then refuses the repository:
one for keys that every pipeline may use, one for the repository's key. The keys go to ssh-add on a
pipe and lie in no file. The job's user can use them while their agent runs, and cannot read them:
the kernel lets no process of the same user into ssh-agent's memory (prctl(2), PR_SET_DUMPABLE).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mayfly_instance import scope
from mayfly_instance.context import Context
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.job_secrets import Key
from mayfly_instance.machine import Machine, Program, Running
from mayfly_instance.places import JOB_USER
from mayfly_protocol.grants import SshHosts

UNITS = ("mayfly-ssh-shared", "mayfly-ssh-repository")
SHARED, REPOSITORY = UNITS
PROGRAMS = ("ssh", "ssh-agent", "ssh-add")
PACKAGE = "openssh-clients"
"""Amazon Linux's package with PROGRAMS."""
OVER_443: Mapping[str, str] = {
    # GitHub docs, "Using SSH over the HTTPS port".
    "github.com": "ssh.github.com",
    # GitLab's blog, "GitLab.com now supports an alternate git+ssh port".
    "gitlab.com": "altssh.gitlab.com",
    # Bitbucket Cloud docs, "Troubleshoot SSH issues": port 443.
    "bitbucket.org": "altssh.bitbucket.org",
}
"""The other address of a git host, whose port 443 speaks ssh."""
_LOG = "ssh-agent.log"


@dataclass(frozen=True)
class KeyAgent:
    """A running ssh-agent with its keys."""

    socket: Path
    pid: int


def lacking(machine: Machine) -> list[str]:
    """Names of programs for ssh that the machine does not have."""
    return [name for name in PROGRAMS if machine.find(name) is None]


def provide(machine: Machine) -> str:
    """Install ssh, where the image has dnf. Returns what is still missing, for the console.

    No error: a queue's jobs may need no key, and a job that needs one is refused with the reason.
    """
    try:
        if machine.find("dnf") is not None:
            machine.install([PACKAGE])
        check(machine)
    except HostFailure as failure:
        return failure.reason
    return ""


def check(machine: Machine) -> None:
    """Raises HostFailure, with the names, where the machine lacks a program for ssh."""
    if lacks := lacking(machine):
        raise HostFailure(
            f"the host lacks {', '.join(lacks)}, which the job's keys need: the queue's image or "
            f"bootstrap script must install {PACKAGE}"
        )


def start(context: Context, keys: Mapping[str, Sequence[Key]]) -> dict[str, KeyAgent]:
    """Start an agent as the job's user for each unit, one of UNITS, and hand it the unit's keys.

    Raises HostFailure if an agent does not start, or if ssh-add refuses a key.
    """
    machine = context.machine
    machine.make_directory(machine.places.ssh, 0o700, JOB_USER)
    started = {unit: _start(context, unit) for unit in keys}
    for unit, agent in started.items():
        socket = _socket(machine, unit)
        _wait_for(socket, agent, context)
        for key in keys[unit]:
            _add(context, socket, key)
    return {unit: KeyAgent(_socket(machine, unit), agent.pid) for unit, agent in started.items()}


def end(machine: Machine) -> None:
    """Kill the agents, and the keys with them."""
    if machine.places.ssh.exists():
        for unit in UNITS:
            machine.kill_scope(unit)
        machine.remove(machine.places.ssh)


def know_hosts(machine: Machine, hosts: SshHosts) -> None:
    """Let every user's ssh know these hosts, beside those of the image.

    Raises OSError, or HostFailure where the settings have no effect.
    """
    places = machine.places
    if hosts.known_hosts:
        known = [places.known_hosts.read_text("utf-8")] if places.known_hosts.exists() else []
        lines = [line for text in [*known, hosts.known_hosts] for line in text.splitlines()]
        machine.write_file(places.known_hosts, "".join(f"{line}\n" for line in lines).encode())
    if unknown := [name for name in hosts.over_443 if name not in OVER_443]:
        raise HostFailure(f"this host does not know how to reach {unknown[0]} over port 443")
    if hosts.over_443:
        text = "".join(_host_over_443(name) for name in hosts.over_443)
        machine.write_file(places.ssh_config, text.encode())
        for name in hosts.over_443:
            _check_port(machine, name)


def _host_over_443(name: str) -> str:
    # The alias, because the host's key is known by the host's usual name.
    return f"Host {name}\n  HostName {OVER_443[name]}\n  Port 443\n  HostKeyAlias {name}\n"


def _check_port(machine: Machine, name: str) -> None:
    """Raises HostFailure if ssh would not take the other address."""
    effective = machine.output_of([str(machine.find("ssh") or "ssh"), "-G", name]).splitlines()
    if not {f"hostname {OVER_443[name]}", "port 443"} <= set(effective):
        raise HostFailure(
            f"ssh does not reach {name} over port 443: the image's ssh_config must include "
            f"{machine.places.ssh_config.parent}/*.conf"
        )


def _socket(machine: Machine, unit: str) -> Path:
    return machine.places.ssh / unit.rpartition("-")[2]


def _start(context: Context, unit: str) -> Running:
    machine, places = context.machine, context.places
    home = {"HOME": str(places.job_home), "USER": JOB_USER, "LOGNAME": JOB_USER}
    try:
        return machine.start(
            Program(
                unit=unit,
                argv=[str(machine.find("ssh-agent")), "-D", "-a", str(_socket(machine, unit))],
                environment={**context.inherited_environment(), **home},
                directory=places.job_home,
                output=places.logs / _LOG,
                user=JOB_USER,
                properties=scope.kept(machine),
            )
        )
    except CommandFailed as error:
        raise HostFailure(f"ssh-agent did not start: {error.reason}", error.words) from error


def _wait_for(socket: Path, agent: Running, context: Context) -> None:
    clock, limit = context.clock, context.limits.ssh
    until = clock.seconds() + limit
    # Between its bind and its listen a socket exists, and refuses connections.
    while not context.machine.listens(socket):
        code = agent.poll()
        if code is not None or clock.seconds() >= until:
            ended = f"was not ready within {limit:g} s" if code is None else f"ended with {code}"
            raise HostFailure(f"ssh-agent {ended}", context.log_tail(_LOG))
        clock.sleep(_POLL)


_POLL = 0.005
"""Seconds between two connections to a socket, which takes an agent a few milliseconds."""


def _add(context: Context, socket: Path, key: Key) -> None:
    """Raises HostFailure if ssh-add refuses the key, as one with a passphrase."""
    machine = context.machine
    environment = {
        "PATH": context.inherited_environment().get("PATH", ""),
        "SSH_AUTH_SOCK": str(socket),
        # Nobody is there to be asked for a passphrase. The second variable: since OpenSSH 8.4.
        "SSH_ASKPASS": "/bin/false",
        "SSH_ASKPASS_REQUIRE": "force",
        "DISPLAY": "none",
    }
    argv = [str(machine.find("ssh-add")), "-q", "-"]
    try:
        machine.run_as(JOB_USER, argv, environment, key.text, context.limits.ssh)
    except CommandFailed as error:
        said = " ".join(error.words.split()) or error.reason
        raise HostFailure(f"ssh-add refuses the key of {key.name}: {said}") from error
