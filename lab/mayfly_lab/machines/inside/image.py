"""The image of a machine: directories, stand-in commands, services, and user data."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from mayfly_lab.machines.inside import commands, syscalls
from mayfly_lab.machines.inside.layout import CONTROL, INIT_PID, PROGRAMS
from mayfly_lab.machines.inside.plan import Plan, starting
from mayfly_lab.machines.inside.unit_file import Settings
from mayfly_lab.machines.inside.units import Service

DIRECTORIES = {
    "dev": 0o755, "run": 0o755, "run/lock": 0o755, "tmp": 0o1777, "root": 0o550, "home": 0o755,
    "home/ec2-user": 0o700, "opt": 0o755, "srv": 0o755, "mnt": 0o755, "media": 0o755,
    "var": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/cache": 0o755, "var/spool": 0o755,
    "var/spool/mail": 0o775, "var/tmp": 0o1777,
}  # fmt: skip
MEMORY = {name: DIRECTORIES[name] for name in ("dev", "run", "run/lock", "tmp")}
"""Directories that are empty at each boot."""
DECOY = "amazon-ssm-agent.service"
_SCRIPT = "var/lib/cloud/instance/scripts/part-001"
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PROGRAMS = ("usr/sbin", "usr/bin", "sbin", "bin", "usr/local/sbin", "usr/local/bin")
_DECOY = """\
[Service]
ExecStart={command}
KillMode=process
Restart=always
RestartSec=100ms
[Install]
WantedBy=multi-user.target
"""
"""The SSM agent's unit, whose RestartSec is 15min. Source: aws/amazon-ssm-agent, packaging."""
_STAND_IN = """\
#!/bin/sh
exec {python} -IS -c '{start}' {control} "${{0##*/}}" "$@"
"""


def prepare(plan: Plan) -> None:
    """Write the image's files. With namespaces, the root directory exists already with content."""
    root = plan.root
    if not plan.namespaces:
        # One user stands for all users here, so the owner needs full access everywhere.
        make_directories(root, DIRECTORIES if not plan.again else MEMORY, at_least=0o700)
        new_boot_id(plan, plan.boot_id)
        if not plan.again:
            _make_python(plan)
        (root / INIT_PID).parent.mkdir()
        (root / INIT_PID).write_text(str(os.getpid()))
    (root / "etc/systemd/system").mkdir(parents=True, exist_ok=True)
    os.mkfifo(root / "dev/console", 0o600)
    _put_stand_ins(plan)
    if plan.decoys and not plan.again:
        _put_decoy(plan)
    os.environ["PATH"] = environment(plan)["PATH"]


def make_directories(root: Path, modes: Mapping[str, int], at_least: int = 0) -> None:
    """Make directories with these modes below the root; those of MEMORY are emptied."""
    for name, mode in modes.items():
        if name in MEMORY:
            erase(root / name)
        (root / name).mkdir(exist_ok=True)
        (root / name).chmod(mode | at_least)


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


def _put_decoy(plan: Plan) -> None:
    """Install the decoy's service in /etc, where the RPMs of AWS's agents put theirs."""
    argv = (plan.python, "-IS", "-c", _start(plan, "decoy"), str(plan.root))
    units = plan.root / "etc/systemd/system"
    unit = units / DECOY
    unit.write_text(_DECOY.format(command=shlex.join(argv)))
    wants = units / "multi-user.target.wants"
    wants.mkdir(exist_ok=True)
    (wants / DECOY).symlink_to(unit)


def _start(plan: Plan, module: str) -> str:
    return starting(PROGRAMS if plan.namespaces else plan.home, module)


def _make_python(plan: Plan) -> None:
    """Create a python3 for the machine that replaces the supervisor's `Machine` by the lab's.

    A virtual environment, because its files still work after `exec` and with another environment.
    """
    usr = plan.root / "usr"
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    packages = usr / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (usr / "bin").mkdir()
    (usr / "bin/python3-with-site").symlink_to(plan.python)
    # The supervisor starts Python with -S, but only the module `site` reads the hook.
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
    """Write another boot id, into the same file, because the file may be bound elsewhere."""
    (plan.root / "run/boot_id").write_text(f"{boot_id}\n")


def forget_memory(plan: Plan) -> None:
    """Empty /run and /tmp, which do not survive a reboot."""
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
    """Open the console to read; also for writing, so that a read never sees its end."""
    return os.open(plan.root / "dev/console", os.O_RDWR | os.O_NONBLOCK)


def console_for_programs(plan: Plan) -> int:
    """Open the console to write; a full console blocks the writer."""
    return os.open(plan.root / "dev/console", os.O_WRONLY)


def environment(plan: Plan) -> dict[str, str]:
    """The environment of services, and so of user data: as small as systemd's, without HOME."""
    plain = {"LANG": "C.UTF-8", "PATH": _SYSTEM_PATH}
    if not plan.namespaces:
        # The machine must not find the host's HOME.
        own = {
            "HOME": str(plan.root / "root"),
            "TMPDIR": str(plan.root / "tmp"),
            "MAYFLY_ROOT": str(plan.root),
        }
        path = f"{plan.root}/usr/sbin:{plan.root}/usr/bin:{plan.environment['PATH']}"
        return {**plain, **plan.environment, **own, "PATH": path}
    return {**plain, **plan.environment}


def user_data(plan: Plan) -> Service | None:
    """The service that runs user data as cloud-init does; None when user data is not a script."""
    content = plan.user_data
    if content.startswith(b"\x1f\x8b"):
        import gzip  # A late import: user data is rarely compressed.

        content = gzip.decompress(content)
    if not content.startswith(b"#!"):
        return None
    script = plan.root / _SCRIPT
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_bytes(content)
    script.chmod(0o700)
    # /bin/bash of macOS is older than Amazon Linux's; a newer bash may be first on PATH.
    argv = (str(script),) if plan.namespaces else ("bash", str(script))
    # Source: cloud-init's cloud-final.service.tmpl.
    network = frozenset({"network-online.target"})
    settings = Settings(argv, kind="oneshot", kill_mode="process", after=network)
    return Service("cloud-final.service", settings, ready=True)


def remove(plan: Plan) -> None:
    """Empty the directory of a machine without namespaces."""
    for path in [] if plan.namespaces else list(plan.root.iterdir()):
        erase(path)


def erase(path: Path) -> None:
    """Remove a file, a link or a directory with its content; an absent path is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()
