"""Everything that changes a machine: users, files, packages, mounts, scopes, rules, power.

Nothing else in this package starts a program, and nothing here but `Machine` does. Programs are
called by name through PATH, so that a lab can put stand-ins first on it. What is called, in full:

    useradd --system --user-group --create-home --shell /bin/bash --home-dir HOME USER
    dnf install --assumeyes --quiet PACKAGE...
    curl --silent --show-error --fail --location ... --output TARGET URL
    mount -t tmpfs -o OPTIONS tmpfs PATH             umount PATH
    systemd-run --scope --collect --quiet --unit=NAME -- COMMAND...   (must exec, keeping its pid,
        environment and open files; with a user, COMMAND begins with setpriv --reuid=USER
        --regid=USER --init-groups --)
    systemctl kill --signal=SIGKILL NAME.scope       systemctl stop user.slice
    systemctl enable --no-reload --quiet mayfly-next-boot.service
    nft --file -                                     poweroff [--force]
    and the agent: buildkite-agent --version, buildkite-agent start --help

A lab with namespaces gives the machine its own mounts (/, /proc, /run, /dev/console and, because
every machine of one kernel has the same, /proc/sys/kernel/random/boot_id), pids and network. A lab
without root replaces `Machine` in this module by a subclass before it runs `mayfly_instance`.
"""

from __future__ import annotations

import io
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from mayfly_instance import proc
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.places import Places
from mayfly_instance.proc import Process

_NEXT_BOOT = """\
[Unit]
Description=Powers off a boot of a Mayfly instance that nobody ordered
# Of the boot in which it was written.
ConditionPathExists=!{run}
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
WorkingDirectory={code}
ExecStart=/usr/bin/env python3 -m mayfly_instance
[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True)
class Program:
    """What is started in a scope of its own, with exactly this environment."""

    unit: str
    """Name of the scope, without its ending."""
    argv: Sequence[str]
    environment: Mapping[str, str]
    directory: Path
    output: Path
    """Root's file, to whose end output and errors go."""
    user: str = "root"
    pass_files: Sequence[int] = ()
    """Open files that it inherits under the same numbers."""


class Running(Protocol):
    """A program that was started in a scope."""

    @property
    def pid(self) -> int:
        """The pid of the program itself."""

    def poll(self) -> int | None:
        """Its exit code once it has ended (negative: the signal that ended it), else None."""

    def send_signal(self, number: int) -> None:
        """Send it a signal; one that has ended takes no notice."""


class Machine:
    """The machine under the supervisor. Times are in seconds; paths are absolute."""

    def __init__(self, places: Places) -> None:
        if os.geteuid() != 0 and places.root == Path("/"):
            raise HostFailure("the supervisor must run as root")
        self.places = places

    def boot_id(self) -> str:
        """The kernel's id of this boot."""
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()

    def architecture(self) -> str:
        """`amd64` or `arm64`, as Buildkite names them."""
        return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

    def processes(self) -> list[Process]:
        """All processes of the machine."""
        return proc.read()

    def find(self, program: str) -> Path | None:
        """Where a program lies: among those that set-up installed, or on PATH."""
        path = f"{self.places.binaries}:{os.environ.get('PATH', os.defpath)}"
        found = shutil.which(program, path=path)
        return Path(found) if found else None

    def ask(self, argv: Sequence[str], seconds: float = 10) -> str:
        """What a program that changes nothing prints. Raises CommandFailed."""
        return self._command(argv, seconds)

    def add_user(self, name: str, home: Path) -> None:
        """Make sure of an unprivileged user with this home. Raises CommandFailed."""
        try:
            pwd.getpwnam(name)
        except KeyError:
            options = ["--system", "--user-group", "--create-home", "--shell", "/bin/bash"]
            self._command(["useradd", *options, "--home-dir", str(home), name], 60)

    def make_directory(self, path: Path, mode: int = 0o755, owner: str = "root") -> None:
        """Make sure of a directory with this mode and owner."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        self._own(path, owner)

    def lay_down(
        self, path: Path, content: bytes | IO[bytes], mode: int = 0o644, owner: str = "root"
    ) -> None:
        """Put a whole file in place: never half written, never with another mode or owner."""
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            whole = io.BytesIO(content) if isinstance(content, bytes) else content
            shutil.copyfileobj(whole, file)
        new.chmod(mode)
        self._own(new, owner)
        new.replace(path)

    def link(self, path: Path, target: Path) -> None:
        """Put a symbolic link in place."""
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def remove(self, path: Path) -> None:
        """Remove a file, or a directory with all below it; what is absent is fine."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def take_from_others(self, directory: Path) -> None:
        """Make all of a directory root's, writable by nobody else."""
        for path in (directory, *directory.rglob("*")):
            self._own(path, "root")
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)

    def install(self, packages: Sequence[str]) -> None:
        """Install packages of the distribution. Raises CommandFailed."""
        self._command(["dnf", "install", "--assumeyes", "--quiet", *packages], 240)

    def download(self, url: str, target: Path) -> None:
        """Fetch a public file. Raises CommandFailed."""
        options = ["--silent", "--show-error", "--fail", "--location", "--retry", "3"]
        limits = ["--connect-timeout", "10", "--max-time", "160"]
        self._command(["curl", *options, *limits, "--output", str(target), url], 180)

    def mount_tmpfs(self, path: Path, megabytes: int) -> None:
        """Mount an empty tmpfs that only root may enter. Raises CommandFailed."""
        path.mkdir(parents=True, exist_ok=True)
        options = f"mode=0700,nosuid,nodev,size={megabytes}m"
        self._command(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], 10)

    def unmount(self, path: Path) -> None:
        """Unmount, so that nothing of it is left. Raises CommandFailed while it is in use."""
        self._command(["umount", str(path)], 10)

    def start(self, program: Program) -> Running:
        """Start it. The pid is the program's own: systemd-run and setpriv replace themselves."""
        name = program.user
        drop = ["setpriv", f"--reuid={name}", f"--regid={name}", "--init-groups", "--"]
        scope = ["systemd-run", "--scope", "--collect", "--quiet", f"--unit={program.unit}", "--"]
        output = os.open(program.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            return subprocess.Popen(
                [*scope, *([] if name == "root" else drop), *program.argv],
                env=dict(program.environment),
                cwd=program.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(program.pass_files),
            )
        except OSError as error:
            raise CommandFailed(f"cannot start {program.argv[0]}: {error}") from error
        finally:
            os.close(output)

    def kill_scope(self, unit: str) -> None:
        """Kill all that is left in a scope. Ask `processes` whether it worked."""
        try:
            self._command(["systemctl", "kill", "--signal=SIGKILL", f"{unit}.scope"], 30)
        except CommandFailed:
            # A scope is collected with its last process, and then there is nothing to kill. What
            # got away shows in the process table, which the caller asks in any case.
            return

    def end_sessions(self) -> None:
        """End login sessions and user managers, which outlive a `su` by ten seconds."""
        self._command(["systemctl", "stop", "user.slice"], 60)

    def guard_next_boot(self) -> None:
        """Have systemd run the supervisor at any further boot, which then powers off."""
        unit = _NEXT_BOOT.format(code=self.places.code, run=self.places.run)
        self.lay_down(self.places.next_boot_unit, unit.encode())
        enable = ["systemctl", "enable", "--no-reload", "--quiet", self.places.next_boot_unit.name]
        self._command(enable, 30)

    def set_rules(self, rules: str) -> None:
        """Load nftables rules, all or none of them. Raises CommandFailed."""
        self._command(["nft", "--file", "-"], 10, rules)

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """Whether a process of this user gets a TCP connection there."""
        account = pwd.getpwnam(user)
        family, kind, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        child = os.fork()
        if child == 0:
            # System calls alone: no clean-up of the parent's may run here, and this user may not be
            # able to import what the parent has not imported.
            code = 2
            try:
                os.setgroups([])
                os.setgid(account.pw_gid)
                os.setuid(account.pw_uid)
                code = 0 if _connects(family, kind, target, seconds) else 1
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else 2
        if code not in {0, 1}:
            raise HostFailure(f"cannot try as {user} whether {host} is out of reach")
        return code == 0

    def replace_self(self, arguments: Sequence[str]) -> None:
        """Become a fresh process of this package: nothing of this one's memory is left."""
        os.chdir(self.places.code)
        os.execvp("python3", ["python3", "-S", "-m", "mayfly_instance", *arguments])  # noqa: S606 - by name through PATH, without a shell

    def power_off(self) -> None:
        """Switch the machine off; the launch template makes that its end."""
        try:
            self._command(["poweroff"], 30)
        except CommandFailed:
            # systemd itself may be stuck; --force goes past its units.
            self._command(["poweroff", "--force"], 30)

    def _own(self, path: Path, owner: str) -> None:
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def _command(self, argv: Sequence[str], seconds: float, stdin: str = "") -> str:
        try:
            done = subprocess.run(
                argv, input=stdin.encode(), capture_output=True, timeout=seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise CommandFailed(f"{argv[0]} took longer than {seconds:g} s") from error
        except OSError as error:
            raise CommandFailed(f"cannot run {argv[0]}: {error.strerror}") from error
        if done.returncode:
            words = (done.stdout + done.stderr).decode("utf-8", "replace")
            ended = _how_ended(done.returncode)
            raise CommandFailed(f"{' '.join(argv[:2])} {ended}", words)
        return done.stdout.decode("utf-8", "replace")


def _connects(family: int, kind: int, target: tuple[Any, ...], seconds: float) -> bool:
    try:
        with socket.socket(family, kind) as tried:
            tried.settimeout(seconds)
            tried.connect(target)
    except OSError:
        return False
    return True


def _how_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
