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

from mayfly_lab.machines.inside import syscalls
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
    _leave_the_host(plan.directory)
    network.build(plan.private_ip, tap=plan.kind is Kind.VM)
    listening = network.listen(plan.doors)
    metadata = network.METADATA_SOCKETS
    told = {"event": "listening", "metadata": metadata}
    lab.send(told, [each.fileno() for each in listening])
    for each in listening:
        each.close()
    group = Group(plan.group)
    group.make()
    try:
        _run(lab, plan, group)
    finally:
        group.remove()


def _leave_the_host(directory: str) -> None:
    """Enter namespaces of mounts, network, host name and IPC. Raises OSError."""
    syscalls.unshare(
        syscalls.CLONE_NEWNS | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC
    )
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", directory, "tmpfs", options="mode=0755")
    # nspawn writes locks into /run.
    syscalls.mount("tmpfs", "/run", "tmpfs", options="mode=0755")
    # A sysfs of the new network. With a writable one, nspawn waits for a udev of its interface.
    syscalls.mount("sysfs", "/sys", "sysfs", flags=syscalls.MS_RDONLY)
    syscalls.mount("cgroup2", str(MOUNTED), "cgroup2")


def _run(lab: Wire, plan: WholePlan, group: Group) -> None:
    """Fork the first process of a pid namespace, and wait for the end of the whole namespace."""
    syscalls.unshare(syscalls.CLONE_NEWPID)
    asking, answering = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        answering.close()
        syscalls.die_with_parent(signal.SIGKILL)
        asking.send(b"?")
        if not asking.recv(1):
            sys.exit("the parent has ended already")
        Supply(lab, plan, group).run()
        sys.exit()
    asking.close()
    lab.send({"event": "pid", "pid": pid})
    lab.close()
    with answering:
        if answering.recv(1):
            answering.send(b"!")
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
