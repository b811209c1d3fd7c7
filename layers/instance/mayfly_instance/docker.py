"""Docker for the job, by `job/root`: as the job's own user, or as root for the job's user.

Mayfly starts no daemon before the assignment. A host that lacks Docker fails in set-up, or before
its agent starts where the parameter changed since: no job meets a host with half of Docker.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mayfly_instance import scope
from mayfly_instance.context import Context
from mayfly_instance.failure import HostFailure
from mayfly_instance.machine import Machine, Program, Running
from mayfly_instance.places import JOB_USER
from mayfly_protocol.words import Root

UNIT = "mayfly-docker"
SERVICE = "docker.service"
GROUP = "docker"
_LOG = "docker.log"
_PACKAGE = "docker"
"""Amazon Linux's package, with daemon, client, unit and group. It has no rootless Docker."""
_PROGRAMS: Mapping[Root, tuple[str, ...]] = {
    Root.NO: (),
    Root.YES: (),
    Root.DOCKER: ("docker", "dockerd"),
    Root.ROOTLESS_DOCKER: ("docker", "dockerd", "rootlesskit", "newuidmap", "newgidmap"),
}
_STARTER = "dockerd-rootless.sh"
_NETWORKS = ("slirp4netns", "vpnkit")
"""Programs of which the starter wants one."""
_OPTIONS = ("--exec-opt", "native.cgroupdriver=cgroupfs")
"""On a machine with systemd the daemon otherwise asks the user's own systemd for each container's
cgroup, and there is none. With this driver a rootless daemon makes no cgroups, and says so."""
_UNIT_PATHS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")


def provide(machine: Machine, root: Root) -> None:
    """Install Docker, where the image has dnf. Raises HostFailure if a part is still missing."""
    if machine.find("dnf") is not None:
        machine.install([_PACKAGE])
    check(machine, root)


def check(machine: Machine, root: Root) -> None:
    """Raises HostFailure, with the names, where this host lacks what `job/root` needs."""
    lacks = lacking(machine, root)
    if lacks:
        raise HostFailure(
            f"job/root is {root}, and the host lacks {', '.join(lacks)}: the queue's image or "
            "bootstrap script must install Docker"
        )


def lacking(machine: Machine, root: Root) -> list[str]:
    """Names of programs and units that `job/root` needs and the machine does not have."""
    lacks = [name for name in _PROGRAMS[root] if machine.find(name) is None]
    if root is Root.ROOTLESS_DOCKER and _starter(machine) is None:
        lacks.append(_STARTER)
    if root is Root.ROOTLESS_DOCKER and not any(machine.find(name) for name in _NETWORKS):
        lacks.append(" or ".join(_NETWORKS))
    if root is Root.DOCKER and not any(
        (machine.places.root / path / SERVICE).exists() for path in _UNIT_PATHS
    ):
        lacks.append(SERVICE)
    return lacks


def start(context: Context, root: Root, runtime: Path) -> dict[str, str]:
    """Start the Docker that `job/root` asks for; returns variables for the agent.

    `runtime` is the job user's runtime directory. Returns once the daemon takes connections. Raises
    HostFailure if the daemon does not get that far.
    """
    if root is Root.DOCKER:
        machine = context.machine
        machine.add_to_group(JOB_USER, GROUP)
        # The unit tells systemd when the daemon is ready.
        machine.start_unit(SERVICE, context.limits.docker)
    if root is not Root.ROOTLESS_DOCKER:
        return {}
    socket = runtime / "docker.sock"
    _wait_for(socket, _start_rootless(context, runtime), context)
    return {"DOCKER_HOST": f"unix://{socket}"}


def _start_rootless(context: Context, runtime: Path) -> Running:
    machine, places = context.machine, context.places
    starter = _starter(machine)
    if starter is None:
        raise HostFailure(f"there is no {_STARTER}")
    home = {"HOME": str(places.job_home), "USER": JOB_USER, "LOGNAME": JOB_USER}
    return machine.start(
        Program(
            unit=UNIT,
            argv=[str(starter), *_OPTIONS],
            environment={
                **context.inherited_environment(),
                **home,
                "XDG_RUNTIME_DIR": str(runtime),
            },
            directory=places.job_home,
            output=places.logs / _LOG,
            user=JOB_USER,
            properties=scope.kept(machine),
        )
    )


def _wait_for(socket: Path, daemon: Running, context: Context) -> None:
    clock, limit = context.clock, context.limits.docker
    until = clock.seconds() + limit
    while not socket.exists():
        code = daemon.poll()
        if code is not None or clock.seconds() >= until:
            ended = f"was not ready within {limit:g} s" if code is None else f"ended with {code}"
            raise HostFailure(f"rootless Docker {ended}", context.log_tail(_LOG))
        clock.sleep(context.limits.watch)


def _starter(machine: Machine) -> Path | None:
    """The program that starts rootless Docker; None without one."""
    # Debian's and Ubuntu's docker.io keep the script off PATH.
    contrib = machine.places.root / "usr/share/docker.io/contrib" / _STARTER
    return machine.find(_STARTER) or (contrib if contrib.exists() else None)
