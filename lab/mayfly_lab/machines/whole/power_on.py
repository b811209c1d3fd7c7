"""The first process of a whole machine: leaves the host, gives the machine network and power.

Everything that the machine needs of the host belongs to namespaces of this process: mounts and
interfaces vanish with them, and no process outlives the first of its pid namespace. So nothing is
left, however the lab ends. What is outside any namespace is the cgroup, removed at the end.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

from mayfly_lab.machines.inside import disk, syscalls
from mayfly_lab.machines.inside.wire import Wire
from mayfly_lab.machines.whole import network
from mayfly_lab.machines.whole.cgroup import MOUNTED, Group
from mayfly_lab.machines.whole.kinds import Kind
from mayfly_lab.machines.whole.plan import PATH, WholePlan
from mayfly_lab.machines.whole.supply import Supply


def main() -> None:
    """Run the machine of the plan on standard input; the last argument is the lab's socket."""
    link = socket.socket(fileno=int(sys.argv[-1]))
    link.set_inheritable(False)
    lab = Wire(link)
    os.environ["PATH"] = PATH
    plan = WholePlan.from_message(json.load(sys.stdin))
    _leave_the_host(lab, plan)
    network.build(plan.private_ip, tap=plan.kind is Kind.VM)
    listening = network.listen(plan.doors)
    metadata = network.METADATA_SOCKETS
    told = {"event": "listening", "metadata": metadata}
    lab.send(told, [each.fileno() for each in listening])
    for each in listening:
        each.close()
    asking, answering = socket.socketpair()
    syscalls.unshare(syscalls.CLONE_NEWPID)
    pid = os.fork()
    if pid == 0:
        answering.close()
        _supply(lab, plan, asking)
    else:
        asking.close()
        _attend(lab, plan.group, pid, answering)


def _leave_the_host(lab: Wire, plan: WholePlan) -> None:
    """Enter namespaces of mounts, network, host name and IPC. Raises OSError."""
    syscalls.unshare(
        syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    )
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    disk.mount(lab, plan.disk, plan.directory)
    # nspawn writes locks into /run.
    syscalls.mount("tmpfs", "/run", "tmpfs", options="mode=0755")
    # A sysfs of the new network. With a writable one, nspawn waits for a udev of its interface.
    syscalls.mount("sysfs", "/sys", "sysfs", flags=syscalls.MS_RDONLY)
    syscalls.mount("cgroup2", str(MOUNTED), "cgroup2")


def _supply(lab: Wire, plan: WholePlan, asking: socket.socket) -> None:
    """Run the machine as the first process of its pid namespace."""
    syscalls.die_with_parent(signal.SIGKILL)
    # Only an answer shows that the parent was there after the kernel had been told.
    with asking:
        asking.send(b"?")
        if not asking.recv(1):
            sys.exit("the parent has ended already")
    Supply(lab, plan, Group(plan.group)).run()


def _attend(lab: Wire, name: str, pid: int, answering: socket.socket) -> None:
    """Make the machine's cgroup, wait for the end of the whole pid namespace, and remove it."""
    lab.send({"event": "pid", "pid": pid})
    lab.close()
    group = Group(name)
    group.make()
    try:
        with answering:
            if answering.recv(1):
                answering.send(b"!")
        # The kernel reports the end of the first process only when its whole namespace has ended.
        os.waitpid(pid, 0)
    finally:
        group.remove()


if __name__ == "__main__":
    main()
