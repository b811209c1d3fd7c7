"""What the image of a machine holds: directories, stand-ins, services, and how user data starts."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from mayfly_lab.machines.inside import commands, syscalls
from mayfly_lab.machines.inside.layout import CONTROL, INIT_PID, PROGRAMS
from mayfly_lab.machines.inside.plan import Plan, starting
from mayfly_lab.machines.inside.units import Service

DIRECTORIES = {
    "dev": 0o755, "run": 0o755, "run/lock": 0o755, "tmp": 0o1777, "root": 0o550, "home": 0o755,
    "home/ec2-user": 0o700, "opt": 0o755, "srv": 0o755, "mnt": 0o755, "media": 0o755,
    "var": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/cache": 0o755, "var/spool": 0o755,
    "var/spool/mail": 0o775, "var/tmp": 0o1777,
}  # fmt: skip
DECOY = "amazon-ssm-agent.service"
_SCRIPT = "var/lib/cloud/instance/scripts/part-001"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS = ("usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin")
_STAND_IN = """\
#!/bin/sh
exec {python} -IS -c '{start}' {control} "${{0##*/}}" "$@"
"""


def prepare(plan: Plan) -> None:
    """Lay down the image. With namespaces the root directory and what is below it exist already."""
    root = plan.root
    if not plan.namespaces:
        for name, mode in DIRECTORIES.items():
            (root / name).mkdir()
            # All users of such a machine are one, so that nothing may be closed to its owner.
            (root / name).chmod(mode | 0o700)
        new_boot_id(plan, plan.boot_id)
        _make_python(plan)
        (root / INIT_PID).parent.mkdir()
        (root / INIT_PID).write_text(str(os.getpid()))
    (root / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / "dev/console", 0o600)
    _put_stand_ins(plan)
    os.environ["PATH"] = environment(plan)["PATH"]


def _put_stand_ins(plan: Plan) -> None:
    root = plan.root
    wrapper = root / "usr/lib/mayfly-lab/stand-in"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    start = _start(plan, "stand_in")
    text = _STAND_IN.format(python=plan.python, start=start, control=root / CONTROL)
    wrapper.write_text(text)
    wrapper.chmod(0o755)
    for name in commands.NAMES:
        if name == "nft" and plan.firewall:
            continue
        places = [root / directory / name for directory in _PROGRAMS]
        found = [place for place in places if os.path.lexists(place)] or places[:1]
        for place in found:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(wrapper)


def _start(plan: Plan, module: str) -> str:
    return starting(PROGRAMS if plan.namespaces else plan.home, module)


def _make_python(plan: Plan) -> None:
    """A python3 of the machine's own that puts our `Machine` in the place of the real one.

    It is a virtual environment, because those files outlive a changed environment and `exec`.
    """
    usr = plan.root / "usr"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = usr / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (usr / "bin").mkdir()
    (usr / "bin/python3-with-site").symlink_to(plan.python)
    # The supervisor goes without `site`, which is what reads the hook.
    python = usr / "bin/python3"
    python.write_text(
        f'#!/bin/bash\n[[ $1 != -S ]] || shift\nexec {shlex.quote(str(python))}-with-site "$@"\n'
    )
    python.chmod(0o755)
    home = Path(os.path.realpath(plan.python)).parent
    (usr / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    hook = f"import sys; sys.path.append({plan.home!r}); import mayfly_lab.machines.inside.instead"
    (packages / "mayfly_lab.pth").write_text(f"{hook}; sys.path.remove({plan.home!r})\n")


def new_boot_id(plan: Plan, boot_id: str) -> None:
    """Give the boot another id. The file stays the same one, for it may be mounted elsewhere."""
    (plan.root / "run/boot_id").write_text(f"{boot_id}\n")


def forget_memory(plan: Plan) -> None:
    """Empty what does not outlive a boot: /run and /tmp."""
    keep = {"boot_id", "mayfly-lab", "lock"}
    memory = (plan.root / "run", plan.root / "tmp")
    for line in Path("/proc/self/mounts").read_text().splitlines() if plan.namespaces else []:
        target = Path(line.split()[1])
        if any(directory in target.parents for directory in memory):
            syscalls.unmount(str(target))
    for path in [path for directory in memory for path in directory.iterdir()]:
        if path.name not in keep:
            erase(path)


def open_console(plan: Plan) -> int:
    """The console, to be read; it is open for writing too, so that it never ends."""
    return os.open(plan.root / "dev/console", os.O_RDWR | os.O_NONBLOCK)


def console_for_programs(plan: Plan) -> int:
    """The console, to be written; a full one makes the writer wait."""
    return os.open(plan.root / "dev/console", os.O_WRONLY)


def environment(plan: Plan) -> dict[str, str]:
    """What systemd gives a service, and so cloud-init to user data: very little, no HOME."""
    plain = {"LANG": "C.UTF-8", "PATH": _SYSTEM_PATH}
    if not plan.namespaces:
        # There is a host's HOME here, which nothing on the machine may find.
        own = {
            "HOME": str(plan.root / "root"),
            "TMPDIR": str(plan.root / "tmp"),
            "MAYFLY_ROOT": str(plan.root),
        }
        path = f"{plan.root}/usr/sbin:{plan.root}/usr/bin:{plan.environment['PATH']}"
        return {**plain, **plan.environment, **own, "PATH": path}
    return {**plain, **plan.environment}


def services(plan: Plan) -> list[Service]:
    """What the image starts at each boot."""
    if not plan.decoys:
        return []
    argv = (plan.python, "-IS", "-c", _start(plan, "decoy"), str(plan.root))
    return [Service(DECOY, argv, always=True)]


def user_data(plan: Plan) -> Service | None:
    """User data as cloud-init runs it: a script in its place; None when it is not a script."""
    content = plan.user_data
    if content.startswith(b"\x1f\x8b"):
        import gzip  # Late: hardly any user data is compressed.

        content = gzip.decompress(content)
    if not content.startswith(b"#!"):
        return None
    script = plan.root / _SCRIPT
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_bytes(content)
    script.chmod(0o700)
    # The bash of macOS is older than what Amazon Linux has; a newer one may be first on PATH.
    argv = (str(script),) if plan.namespaces else ("bash", str(script))
    return Service("cloud-final.service", argv, ready=True)


def remove(plan: Plan) -> None:
    """Remove all that a machine without namespaces has on the host's disk, but its directory."""
    for path in [] if plan.namespaces else list(plan.root.iterdir()):
        erase(path)


def erase(path: Path) -> None:
    """Remove a file, a link or a directory with all below it; what is absent is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
