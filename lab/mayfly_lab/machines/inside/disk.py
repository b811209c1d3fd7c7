"""The machine's end of its disk: a new one, or the one that the boots before have left."""

from __future__ import annotations

import os

from mayfly_lab.machines.inside import syscalls
from mayfly_lab.machines.inside.wire import Wire


def mount(lab: Wire, descriptor: int | None, directory: str) -> None:
    """Mount the disk at a directory, and give the lab a hold on it for the next power-on.

    Raises OSError.
    """
    if descriptor is None:
        syscalls.mount("mayfly-lab", directory, "tmpfs", options="mode=755")
    else:
        syscalls.mount_held(descriptor, directory)
        os.close(descriptor)
    held = syscalls.hold(directory)
    lab.send({"event": "disk"}, [held])
    os.close(held)
