"""The first program of a machine: leaves the host behind, then becomes init."""

from __future__ import annotations

import os
import signal
import socket
import sys

from mayfly_lab.machines.inside import image, network, root, syscalls
from mayfly_lab.machines.inside.init import Init
from mayfly_lab.machines.inside.nft import SERVICE
from mayfly_lab.machines.inside.plan import Plan
from mayfly_lab.machines.inside.wire import Wire


def main() -> None:
    """Be the machine whose plan comes over the socket that is named as the last argument."""
    lab = Wire(socket.socket(fileno=int(sys.argv[-1])))
    plan = Plan.from_message(lab.one())
    if plan.namespaces:
        _leave_the_host(lab, plan)
    else:
        syscalls.adopt_orphans()
    image.prepare(plan)
    Init(lab, plan).run()


def _leave_the_host(lab: Wire, plan: Plan) -> None:
    """Return in a program that sees nothing of the host; the original waits for its end."""
    syscalls.unshare(
        syscalls.CLONE_NEWNS
        | syscalls.CLONE_NEWPID
        | syscalls.CLONE_NEWNET
        | syscalls.CLONE_NEWUTS
        | syscalls.CLONE_NEWIPC
    )
    pid = os.fork()
    if pid:
        lab.send({"event": "pid", "pid": pid})
        lab.close()
        # The kernel reports the end of the first program only when the whole namespace has ended.
        os.waitpid(pid, 0)
        sys.exit()
    syscalls.die_with_parent(signal.SIGKILL)
    socket.sethostname(plan.hostname)
    network.raise_loopback([SERVICE, plan.private_ip])
    doors = [network.listen("127.0.0.1", port) for port in plan.doors]
    listening = [network.listen(SERVICE, 80), *doors]
    root.enter(plan)
    lab.send({"event": "listening"}, [each.fileno() for each in listening])
    for each in listening:
        each.close()
