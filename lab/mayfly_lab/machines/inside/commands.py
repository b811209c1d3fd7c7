"""Behaviour of the stand-in commands. Init runs them, so that it has all state of the machine."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping

from mayfly_lab.machines.inside import nft, power, systemd_run
from mayfly_lab.machines.inside.calls import Answer, Call, Machine
from mayfly_lab.machines.inside.scope_properties import Refused
from mayfly_lab.machines.inside.scopes import Scope, end
from mayfly_lab.machines.inside.systemctl import systemctl

_FOR_EVERYBODY = {"is-active", "is-enabled", "is-system-running", "list-units", "show"}
_PACKAGES = {
    # By package: a command that the machine has if the host has the package.
    "git": "git", "git-core": "git", "nftables": "nft", "util-linux": "mount", "tar": "tar",
    "gzip": "gzip", "shadow-utils": "useradd", "curl": "curl", "curl-minimal": "curl",
    "python3": "python3", "systemd": "systemctl", "bash": "bash",
}  # fmt: skip


def answer(machine: Machine, call: Call) -> Answer:
    """Run a stand-in command. Returns its exit status and output."""
    name = call.argv[0]
    if machine.namespaces and call.uid != 0 and not _FOR_EVERYBODY & set(call.argv):
        return Answer(1, err=f"{name}: access denied, only root may do this")
    command = _COMMANDS.get(name)
    # A link of the host may lead to a stand-in by an unknown name.
    return command(machine, call) if command else Answer(1, err=f"{name}: not on a lab machine")


def _power(machine: Machine, call: Call) -> Answer:
    return power.switch(machine, call.argv)


def _systemd_run(machine: Machine, call: Call) -> Answer:
    """Create a scope around the caller, which then executes the program itself."""
    try:
        properties = systemd_run.parse(call.argv[1:]).properties
    except Refused as refused:
        return Answer(1, err=str(refused))
    name = f"{call.unit or f'run-{call.pid}'}.scope"
    try:
        mark = os.open(f"/proc/{call.pid}/ns/cgroup", os.O_RDONLY) if machine.namespaces else None
    except OSError as gone:
        return Answer(1, err=f"Failed to start transient scope unit: {gone}")
    try:
        machine.scopes.add(name, Scope(call.pid, mark, properties))
    except FileExistsError:
        return Answer(1, err=f"Failed to start transient scope unit: Unit {name} already exists.")
    machine.memory_events(0)
    return Answer()


def _oom_kill(machine: Machine, call: Call) -> Answer:
    """Kill the named processes as the kernel does for lack of memory, and systemd thereafter."""
    scopes = {
        name: properties
        for name, properties in machine.scopes.running().items()
        if {int(word) for word in call.argv[1:]} & set(machine.scopes.members(name))
    }
    for pid in call.argv[1:]:
        os.kill(int(pid), signal.SIGKILL)
    machine.memory_events(len(call.argv) - 1)
    for name in [each for each, properties in scopes.items() if properties.stops_for_memory]:
        end(lambda name=name: machine.scopes.members(name))  # type: ignore[misc]
    return Answer()


def _systemd_notify(machine: Machine, call: Call) -> Answer:
    machine.units.is_ready(call.pid)
    return Answer()


def _nft(machine: Machine, call: Call) -> Answer:
    if list(call.argv[1:3]) == ["list", "ruleset"]:
        return Answer(out=machine.rules)
    try:
        machine.keep_from_metadata(nft.refused(call.stdin))
    except (nft.NotUnderstood, OSError) as error:
        return Answer(1, err=f"Error: the lab's stand-in for nft cannot do this: {error}")
    machine.rules = call.stdin
    return Answer()


def _dnf(_: Machine, call: Call) -> Answer:
    verb, *packages = [word for word in call.argv[1:] if not word.startswith("-")] or ["help"]
    if verb != "install":
        return Answer(1, err=f"No such command: {verb}.")
    missing = [name for name in packages if not shutil.which(_PACKAGES.get(name, "/"))]
    if missing:
        wrong = "".join(f"No match for argument: {name}\n" for name in missing)
        return Answer(1, err=f"{wrong}Error: Unable to find a match: {' '.join(missing)}")
    return Answer(out="".join(f"Package {name} is already installed.\n" for name in packages))


def _cloud_init(machine: Machine, call: Call) -> Answer:
    if "status" not in call.argv:
        return Answer()
    runs = machine.units.starting("cloud-final.service")
    waits = bool({"-w", "--wait"} & set(call.argv))
    return Answer(out=f"status: {'running' if runs else 'done'}", again=runs and waits)


def _nothing(_: Machine, __: Call) -> Answer:
    return Answer()


_COMMANDS: Mapping[str, Callable[[Machine, Call], Answer]] = {
    **dict.fromkeys(power.VERBS, _power),
    "systemctl": systemctl, "systemd-run": _systemd_run, "systemd-notify": _systemd_notify,
    # The kernel's OOM killer, for tests: no machine of the lab has a limit of memory.
    "lab-oom-kill": _oom_kill,
    "dnf": _dnf, "yum": _dnf, "nft": _nft,
    # Commands of a real machine that have no effect here.
    "journalctl": _nothing, "hostnamectl": _nothing, "timedatectl": _nothing,
    "loginctl": _nothing, "udevadm": _nothing, "cloud-init": _cloud_init,
}  # fmt: skip

NAMES = tuple(_COMMANDS)
"""Names of the stand-in commands; nft is one only where the machine has no real nft."""
