"""System calls of Linux that Python 3.9 lacks. The import works on every system."""

from __future__ import annotations

import ctypes
import os
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_MNT_DETACH = 2
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

# The same numbers on all processors. Source: include/uapi/asm-generic/unistd.h, linux/mount.h.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 4
_AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Enter new namespaces. With CLONE_NEWPID, the next child is the first process there."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system, or change the options of a mount. Raises OSError."""
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()
    )
    _check(result, target)


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Bind a file, or a directory without the mounts below it, to a second path."""
    mount(source, target, flags=MS_BIND)
    if read_only:
        # Linux ignores MS_RDONLY in the bind call; only a remount sets it.
        mount(source, target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY)


def hold(directory: str) -> int:
    """A descriptor that keeps the file system at `directory`, whatever becomes of the mount.

    The descriptor is not inherited. Raises OSError.
    """
    flags = ctypes.c_uint(_OPEN_TREE_CLONE | os.O_CLOEXEC)
    held = _libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, directory.encode(), flags)
    _check(min(held, 0), directory)
    return int(held)


def mount_held(descriptor: int, directory: str) -> None:
    """Mount at `directory` the file system that a descriptor of `hold` keeps. Raises OSError."""
    empty = ctypes.c_uint(_MOVE_MOUNT_F_EMPTY_PATH)
    result = _libc.syscall(_SYS_MOVE_MOUNT, descriptor, b"", _AT_FDCWD, directory.encode(), empty)
    _check(result, directory)


def unmount(target: str) -> None:
    """Unmount a file system, even one in use."""
    _check(_libc.umount2(target.encode(), _MNT_DETACH), target)


def make_root(directory: str) -> None:
    """Make `directory` (a mount point) the root of this mount namespace; unmount the old root."""
    os.chdir(directory)
    _check(_libc.pivot_root(b".", b"."), directory)
    _check(_libc.umount2(b".", _MNT_DETACH), "the old root")
    os.chdir("/")


def die_with_parent(signal_number: int) -> None:
    """Let the kernel send this signal to this process when its parent ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "PR_SET_PDEATHSIG")


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends. Linux only."""
    if sys.platform == "linux":
        _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "PR_SET_CHILD_SUBREAPER")


def name_program(name: str) -> None:
    """Set the name of this process, cut to 15 bytes by the kernel. Linux only."""
    if sys.platform == "linux":
        _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "PR_SET_NAME")
