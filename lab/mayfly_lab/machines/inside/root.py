"""The root file system of a machine: the host's programs, below a memory disk of its own.

All mounts are in a mount namespace, so that nothing is left after its last process.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from mayfly_lab.machines.inside import disk, image, syscalls
from mayfly_lab.machines.inside.layout import PROGRAMS
from mayfly_lab.machines.inside.plan import Plan
from mayfly_lab.machines.inside.wire import Wire

# Directories of a host's programs; the last two are those of NixOS and Guix.
_SYSTEM = ("usr", "etc", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")
_KERNEL = {"proc": 0o555, "sys": 0o555}
_NOT_OF_THE_IMAGE = (
    # Files of a host that a stock image does not have: secrets, units, another agent.
    "etc/buildkite-agent", "etc/ssh/ssh_host_*", "etc/sudoers.d", "etc/systemd/system",
    "etc/cron.d", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "etc/passwd-", "etc/group-",
    "etc/localtime", "etc/subuid", "etc/subgid", "usr/bin/buildkite-agent",
    "usr/local/bin/buildkite-agent",
)  # fmt: skip
_USERS = """\
root:x:0:0:root:/root:/bin/bash
bin:x:1:1:bin:/bin:/sbin/nologin
daemon:x:2:2:daemon:/sbin:/sbin/nologin
mail:x:8:12:mail:/var/spool/mail:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
ec2-user:x:1000:1000:EC2 Default User:/home/ec2-user:/bin/bash
"""
_GROUPS = """\
root:x:0:
bin:x:1:
daemon:x:2:
sys:x:3:
adm:x:4:ec2-user
tty:x:5:
wheel:x:10:ec2-user
mail:x:12:
utmp:x:22:
shadow:x:42:
users:x:100:
systemd-journal:x:190:ec2-user
nobody:x:65534:
ec2-user:x:1000:
"""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_KEPT_FROM_WRITING = ("proc/sys", "proc/sysrq-trigger", "proc/irq", "proc/bus")


def enter(lab: Wire, plan: Plan) -> None:
    """Build the machine's file system and make it the root of this mount namespace."""
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    disk.mount(lab, plan.disk, plan.directory)
    root = Path(plan.directory, "root")
    root.mkdir(exist_ok=True)
    for name in _SYSTEM:
        _lay(Path(plan.directory), root, name)
    if not plan.again:
        _write_disk(root, plan)
    image.make_directories(root, image.MEMORY)
    _show_programs(root, plan)
    _mount_devices(root)
    _mount_kernel(root, plan)
    syscalls.mount(str(root), str(root), flags=syscalls.MS_BIND | syscalls.MS_REC)
    syscalls.make_root(str(root))


def _write_disk(root: Path, plan: Plan) -> None:
    """Write what the image has on its disk, over the host's programs."""
    image.make_directories(root, {**image.DIRECTORIES, **_KERNEL})
    (root / "var/run").symlink_to("/run")
    os.chown(root / "home/ec2-user", 1000, 1000)
    for pattern in _NOT_OF_THE_IMAGE:
        for path in list(root.glob(pattern)):
            image.erase(path)
    _write_identity(root, plan)
    # A copy: a mount from the host could be mounted again as writable.
    place = Path(PROGRAMS, "mayfly_lab/machines/inside")
    shutil.copytree(plan.programs, root / place.relative_to("/"))


def _lay(volume: Path, root: Path, name: str) -> None:
    """Mount a directory of the host with a writable layer above it, or copy its symbolic link."""
    host = Path("/", name)
    if host.is_symlink():
        if not (root / name).is_symlink():
            (root / name).symlink_to(host.readlink())
    elif host.is_dir():
        layer, work = volume / f"{name}.layer", volume / f"{name}.work"
        # A later boot needs a new one: a volatile mount leaves a mark that forbids a second mount.
        # Source: the kernel's filesystems/overlayfs, "Volatile mount".
        image.erase(work)
        for directory in (layer, work, root / name):
            directory.mkdir(exist_ok=True)
        options = f"lowerdir={host},upperdir={layer},workdir={work},volatile"
        syscalls.mount("overlay", str(root / name), "overlay", options=options)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    image.erase(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _write_identity(root: Path, plan: Plan) -> None:
    etc = root / "etc"
    _write(etc / "passwd", _USERS)
    _write(etc / "group", _GROUPS)
    names = [line.partition(":")[0] for line in _USERS.splitlines()]
    _write(etc / "shadow", "".join(f"{name}:*:19000:0:99999:7:::\n" for name in names), 0o600)
    _write(etc / "hostname", plan.hostname + "\n")
    _write(etc / "hosts", f"127.0.0.1 localhost\n{plan.private_ip} {plan.hostname}\n")
    _write(etc / "resolv.conf", "")
    _write(etc / "machine-id", plan.machine_id + "\n", 0o444)
    (etc / "systemd/system").mkdir(parents=True)


def _show_programs(root: Path, plan: Plan) -> None:
    if plan.python_prefix:
        _show_python(root, Path(plan.python_prefix))
    python = root / "usr/bin/python3"
    if plan.python != "/usr/bin/python3":
        image.erase(python)
        python.symlink_to(plan.python)


def _show_python(root: Path, prefix: Path) -> None:
    """Mount an interpreter of the host at its own path, from which it finds its library."""
    target = root / prefix.relative_to("/")
    target.mkdir(parents=True, exist_ok=True)
    for above in list(prefix.relative_to("/").parents)[:-1]:
        # Every user must reach an interpreter, even one below a private home directory.
        mode = (root / above).stat().st_mode
        if mode & 0o111 != 0o111:
            (root / above).chmod(mode | 0o111)
    syscalls.bind(str(prefix), str(target), read_only=True)


def _mount_devices(root: Path) -> None:
    dev = root / "dev"
    syscalls.mount("dev", str(dev), "tmpfs", syscalls.MS_NOSUID, "mode=755,size=1m")
    for name in _DEVICES:
        (dev / name).touch()
        syscalls.bind(f"/dev/{name}", str(dev / name))
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    options = "newinstance,ptmxmode=0666,mode=620,gid=5"
    syscalls.mount("devpts", str(dev / "pts"), "devpts", syscalls.MS_NOSUID, options)
    syscalls.mount("shm", str(dev / "shm"), "tmpfs", syscalls.MS_NOSUID, "mode=1777")
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
             "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"}  # fmt: skip
    for name, target in links.items():
        (dev / name).symlink_to(target)


def _mount_kernel(root: Path, plan: Plan) -> None:
    plain = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("proc", str(root / "proc"), "proc", plain)
    for name in _KEPT_FROM_WRITING:
        if (root / name).exists():
            syscalls.bind(str(root / name), str(root / name), read_only=True)
    boot_id = root / "run/boot_id"
    _write(boot_id, plan.boot_id + "\n", 0o444)
    syscalls.bind(str(boot_id), str(root / "proc/sys/kernel/random/boot_id"), read_only=True)
    syscalls.bind("/sys", str(root / "sys"), read_only=True)
    if Path("/sys/fs/cgroup").is_dir():
        # For init's memory.events: every process of a machine is in the cgroup of the lab.
        syscalls.mount("cgroups", str(root / "sys/fs/cgroup"), "tmpfs", plain, "mode=755,size=1m")
