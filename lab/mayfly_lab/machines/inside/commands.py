"""Behaviour of the stand-in commands. Init runs them, so that it has all state of the machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping

from mayfly_lab.machines.inside import nft, power
from mayfly_lab.machines.inside.calls import Answer, Call, Machine
from mayfly_lab.machines.inside.scopes import Scope
from mayfly_lab.machines.inside.systemctl import systemctl

_FOR_EVERYBODY = {"is-active", "is-enabled", "is-system-running", "list-units"}
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
    name = f"{call.unit or f'run-{call.pid}'}.scope"
    mark = os.open(f"/proc/{call.pid}/ns/cgroup", os.O_RDONLY) if machine.namespaces else None
    try:
        machine.scopes.add(name, Scope(call.pid, mark))
    except FileExistsError:
        return Answer(1, err=f"Failed to start transient scope unit: Unit {name} already exists.")
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
    "dnf": _dnf, "yum": _dnf, "nft": _nft,
    # Commands of a real machine that have no effect here.
    "journalctl": _nothing, "hostnamectl": _nothing, "timedatectl": _nothing,
    "loginctl": _nothing, "udevadm": _nothing, "cloud-init": _cloud_init,
}  # fmt: skip

NAMES = tuple(_COMMANDS)
"""Names of the stand-in commands; nft is one only where the machine has no real nft."""
