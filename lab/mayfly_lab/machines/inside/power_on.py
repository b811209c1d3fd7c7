"""The first process of a machine: enters its namespaces, then becomes init."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path

from mayfly_lab.machines.inside import image, network, root, syscalls
from mayfly_lab.machines.inside.init import Init
from mayfly_lab.machines.inside.nft import SERVICE
from mayfly_lab.machines.inside.plan import Plan
from mayfly_lab.machines.inside.wire import Wire


def main() -> None:
    """Run the machine of the plan on standard input; the last argument is the lab's socket."""
    link = socket.socket(fileno=int(sys.argv[-1]))
    # This process inherited the socket, but the machine's own processes must not.
    link.set_inheritable(False)
    lab = Wire(link)
    plan = Plan.from_message(json.load(sys.stdin))
    if plan.namespaces:
        _leave_the_host(lab, plan)
    else:
        syscalls.adopt_orphans()
    image.prepare(plan)
    Init(lab, plan).run()


def _leave_the_host(lab: Wire, plan: Plan) -> None:
    """Fork a process that sees nothing of the host, and return there; the parent waits for its end.

    The user namespace comes last. It has the host's user ids, but earlier mounts are locked for its
    root: read-only mounts cannot become writable, devices cannot be made, and clock, kernel modules
    and the host's settings are out of reach.
    """
    syscalls.unshare(syscalls.CLONE_NEWPID)
    asking, answering = socket.socketpair()
    pid = os.fork()
    if pid:
        lab.send({"event": "pid", "pid": pid})
        lab.close()
        asking.close()
        _map_users(answering, pid)
        # The kernel reports the end of the first process only when its whole namespace has ended.
        os.waitpid(pid, 0)
        sys.exit()
    answering.close()
    syscalls.unshare(syscalls.CLONE_NEWNS)
    root.enter(lab, plan)
    syscalls.unshare(
        syscalls.CLONE_NEWUSER
        | syscalls.CLONE_NEWNS
        | syscalls.CLONE_NEWNET
        | syscalls.CLONE_NEWUTS
        | syscalls.CLONE_NEWIPC
    )
    asking.send(b"?")
    if not asking.recv(1):
        sys.exit("the machine's users could not be mapped")
    # Only now: the kernel clears this setting when credentials change.
    syscalls.die_with_parent(signal.SIGKILL)
    socket.sethostname(plan.hostname)
    listening = _listen(plan)
    lab.send({"event": "listening"}, [each.fileno() for each in listening])
    for each in listening:
        each.close()


def _map_users(answering: socket.socket, pid: int) -> None:
    """Map the host's user and group ids into the machine, when the child asks."""
    with answering:
        if answering.recv(1):
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{pid}/{name}").write_text("0 0 4294967295")
            answering.send(b"!")


def _listen(plan: Plan) -> list[socket.socket]:
    """Listening sockets of the metadata service, then of the lab's servers."""
    network.raise_loopback([SERVICE, plan.private_ip])
    doors = [network.listen("127.0.0.1", port) for port in plan.doors]
    return [network.listen(SERVICE, 80), *doors]
