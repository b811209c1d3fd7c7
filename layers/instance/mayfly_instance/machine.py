"""Everything that changes a machine: users, files, packages, mounts, scopes, rules, power.

In this package only `Machine` starts programs. It calls them by name through PATH, so that a lab
can put stand-ins first on PATH. The full list of calls:

    useradd --system --user-group --create-home --shell /bin/bash --home-dir HOME USER
    usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST USER
    usermod --append --groups GROUP USER
    dnf install --assumeyes --quiet PACKAGE...
    curl --silent --show-error --fail --location ... --output TARGET URL
    mount -t tmpfs -o OPTIONS tmpfs PATH             umount PATH
    systemd-run --scope --collect --quiet --unit=NAME --property=P... -- COMMAND...   (must exec,
        keeping its pid, environment and open files; with a user, there is also
        --property=Delegate=yes, and COMMAND begins as `delegation.enter` says: sh, which may exec
        unshare and mount, then setpriv --reuid=USER --regid=USER --init-groups --)
    systemctl kill --signal=SIGKILL NAME.scope       systemctl stop user.slice
    systemctl start docker.service
    setpriv --reuid=USER --regid=USER --init-groups -- ssh-add -     ssh -G HOST
    nft --file -                                     poweroff [--force]
    and the agent: buildkite-agent --version, buildkite-agent start --help

A lab with namespaces gives the machine its own pids, network and mounts: /, /proc, /run,
/dev/console and /proc/sys/kernel/random/boot_id, which is otherwise equal on all machines of one
kernel. A lab without root replaces `Machine` in this module by a subclass before it runs
`mayfly_instance`.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Optional, Protocol

from mayfly_instance import delegation, inheritance, proc
from mayfly_instance.clock import SLICE, Clock
from mayfly_instance.failure import CommandFailed, HostFailure
from mayfly_instance.places import Places
from mayfly_instance.proc import Process

Variables = Optional[Mapping[str, str]]
"""A program's whole environment; None: the supervisor's own."""


@dataclass(frozen=True)
class Program:
    """A program to start in its own scope, with exactly this environment."""

    unit: str
    """Name of the scope, without `.scope`."""
    argv: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    """All variables; an agent's hold its job's token."""
    directory: Path
    output: Path
    """File, owned by root, to which stdout and stderr are appended."""
    user: str = "root"
    properties: Sequence[str] = ()
    """systemd's properties of the scope, such as `TasksMax=infinity`."""
    pass_files: Sequence[int] = ()
    """File descriptors that the program inherits under the same numbers."""


class Running(Protocol):
    """A started program."""

    @property
    def pid(self) -> int:
        """The pid of the program itself."""

    def poll(self) -> int | None:
        """The exit code, minus the signal's number after a signal; None while the program runs."""

    def send_signal(self, number: int) -> None:
        """Send the program a signal; no effect after its end."""


class Machine:
    """The machine under the supervisor. Times are in seconds; paths are absolute."""

    def __init__(self, places: Places, clock: Clock | None = None) -> None:
        if os.geteuid() != 0 and places.root == Path("/"):
            raise HostFailure("the supervisor must run as root")
        self.places = places
        self._clock = clock or Clock()

    def boot_id(self) -> str:
        """The kernel's id of this boot."""
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()

    def architecture(self) -> str:
        """`amd64` or `arm64`, as Buildkite names them."""
        return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)

    def processes(self) -> list[Process]:
        """All processes of the machine. Raises OSError without a process table."""
        return proc.read()

    def find(self, program: str) -> Path | None:
        """Path of a program: first among those that set-up installed, then on PATH; else None."""
        path = f"{self.places.binaries}:{os.environ.get('PATH', os.defpath)}"
        found = shutil.which(program, path=path)
        return Path(found) if found else None

    def output_of(self, argv: Sequence[str], seconds: float = 10) -> str:
        """Standard output of a program that changes nothing. Raises CommandFailed."""
        return self._command(argv, seconds)

    def add_user(self, name: str, home: Path) -> None:
        """Create an unprivileged user with this home, unless one exists. Raises CommandFailed."""
        try:
            pwd.getpwnam(name)
        except KeyError:
            options = ["--system", "--user-group", "--create-home", "--shell", "/bin/bash"]
            self._command(["useradd", *options, "--home-dir", str(home), name], 60)

    def uid_of(self, user: str) -> int:
        """The user's id. Raises KeyError without the user."""
        return pwd.getpwnam(user).pw_uid

    def add_ids(self, user: str, first: int, number: int) -> None:
        """Give a user these ids, as uids and as gids, for its containers. Raises CommandFailed."""
        ids = f"{first}-{first + number - 1}"
        self._command(["usermod", "--add-subuids", ids, "--add-subgids", ids, user], 60)

    def add_to_group(self, user: str, group: str) -> None:
        """Make a user a member of a group, for programs started later. Raises CommandFailed."""
        self._command(["usermod", "--append", "--groups", group, user], 60)

    def make_directory(self, path: Path, mode: int = 0o755, owner: str = "root") -> None:
        """Create a directory, if missing, and set its mode and owner."""
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        self._own(path, owner)

    def write_file(
        self,
        path: Path,
        content: bytes | IO[bytes],
        mode: int = 0o644,
        owner: str = "root",
        *,
        durable: bool = False,
    ) -> None:
        """Write a file atomically: readers never see half of it, nor a wrong mode or owner.

        A durable file is still there after a loss of power that follows the return.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            whole = io.BytesIO(content) if isinstance(content, bytes) else content
            shutil.copyfileobj(whole, file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        new.chmod(mode)
        self._own(new, owner)
        new.replace(path)
        if durable:
            _sync_directory(path.parent)

    def link(self, path: Path, target: Path) -> None:
        """Create a symbolic link, in place of any file there. Readers never miss it."""
        new = path.with_name(f".{path.name}.new")
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.replace(path)

    def remove(self, path: Path) -> None:
        """Remove a file, or a directory with everything below; an absent path is no error."""
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)

    def make_root_own(self, directory: Path) -> None:
        """Give a directory and all below to root, and take write permission from others."""
        for path in (directory, *directory.rglob("*")):
            self._own(path, "root")
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o022)

    def install(self, packages: Sequence[str]) -> None:
        """Install packages by dnf. Raises CommandFailed."""
        self._command(["dnf", "install", "--assumeyes", "--quiet", *packages], 240)

    def download(self, url: str, target: Path) -> None:
        """Fetch a public URL into a file, without retries. Raises CommandFailed."""
        options = ["--silent", "--show-error", "--fail", "--location"]
        limits = ["--connect-timeout", "10", "--max-time", "160"]
        self._command(["curl", *options, *limits, "--output", str(target), url], 180)

    def mount_tmpfs(self, path: Path, size: str, owner: str = "root") -> None:
        """Mount an empty tmpfs that only its owner and root may enter. Raises CommandFailed.

        `size` is in tmpfs's own notation, such as `512m` or `10%` of the memory.
        """
        path.mkdir(parents=True, exist_ok=True)
        options = f"mode=0700,nosuid,nodev,size={size}"
        self._command(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], 10)
        self._own(path, owner)

    def unmount(self, path: Path) -> None:
        """Unmount; a tmpfs loses its files. Raises CommandFailed while the mount is in use."""
        self._command(["umount", str(path)], 10)

    def start(self, program: Program) -> Running:
        """Start a program in its scope; returns without waiting. Raises CommandFailed.

        The pid is the program's own, because everything in front of the program execs it. Only what
        `program` names is inherited: signals, descriptors and memory score are the defaults. A user
        other than root may make cgroups below the scope, for containers, and cannot leave it.
        """
        name = program.user
        properties = list(program.properties)
        enter: Sequence[str] = ()
        if name != "root":
            properties.append(delegation.PROPERTY)
            enter = delegation.enter(program.unit, name)
        output = os.open(program.output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            with inheritance.default_signals(), inheritance.default_memory_score():
                return subprocess.Popen(
                    [*_scope(program.unit, properties), *enter, *program.argv],
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

    def run_as(
        self, user: str, argv: Sequence[str], variables: Variables, stdin: str, seconds: float
    ) -> str:
        """Standard output of a program of this user, with exactly this environment and input.

        Raises CommandFailed.
        """
        return self._command([*delegation.drop_to(user), *argv], seconds, stdin, variables)

    def try_scope(self, unit: str, properties: Sequence[str]) -> None:
        """Run nothing in a scope with these properties. Raises CommandFailed if systemd refuses."""
        self._command([*_scope(unit, properties), "true"], 30)

    def cgroup(self, pid: int) -> Path | None:
        """Directory of a process's scope, else of its own cgroup; None after the process's end."""
        path = proc.cgroup(pid)
        return None if path is None else self.places.cgroups / path.lstrip("/")

    def kill_scope(self, unit: str) -> None:
        """Kill all processes of a scope. Errors are ignored: `processes` tells what is left."""
        try:
            self._command(["systemctl", "kill", "--signal=SIGKILL", f"{unit}.scope"], 30)
        except CommandFailed:
            # systemd removes a scope with its last process, and then `kill` fails. Callers check
            # the process table for survivors in any case.
            return

    def end_sessions(self) -> None:
        """End user sessions and managers, which outlive a `su` by 10 s. Raises CommandFailed."""
        self._command(["systemctl", "stop", "user.slice"], 60)

    def start_unit(self, name: str, seconds: float) -> None:
        """Start a unit and wait until systemd calls it started. Raises CommandFailed."""
        self._command(["systemctl", "start", name], seconds)

    def set_rules(self, rules: str) -> None:
        """Load nftables rules in one transaction. Raises CommandFailed."""
        self._command(["nft", "--file", "-"], 10, rules)

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        """Whether a process of this user gets a TCP connection. Raises HostFailure if unknown."""
        account = pwd.getpwnam(user)
        family, kind, _, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        child = os.fork()
        if child == 0:
            # Only system calls after the fork: the parent's clean-up must not run here, and this
            # user may have no right to read modules that are not imported yet.
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
            raise HostFailure(f"cannot check as {user} whether {host} is out of reach")
        return code == 0

    def listens(self, path: Path) -> bool:
        """Whether a program takes connections at this Unix socket."""
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0

    def replace_self(self, arguments: Sequence[str]) -> None:
        """Exec a fresh process of this package, so that no memory of this one remains."""
        os.chdir(self.places.code)
        os.execvp("python3", ["python3", "-S", "-m", "mayfly_instance", *arguments])  # noqa: S606 - by name through PATH, without a shell

    def power_off(self) -> None:
        """Switch the machine off, which terminates the instance (see the launch template)."""
        try:
            self._command(["poweroff"], 30)
        except CommandFailed:
            # systemd may be stuck; --force does not wait for its units.
            self._command(["poweroff", "--force"], 30)

    def _own(self, path: Path, owner: str) -> None:
        account = pwd.getpwnam(owner)
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def _command(
        self, argv: Sequence[str], seconds: float, stdin: str = "", variables: Variables = None
    ) -> str:
        try:
            code, out, err = self._run(argv, seconds, stdin.encode(), variables)
        except OSError as error:
            raise CommandFailed(f"cannot run {argv[0]}: {error.strerror}") from error
        if code:
            words = (out + err).decode("utf-8", "replace")
            raise CommandFailed(f"{' '.join(argv[:2])} {_how_ended(code)}", words)
        return out.decode("utf-8", "replace")

    def _run(
        self, argv: Sequence[str], seconds: float, stdin: bytes, variables: Variables
    ) -> tuple[int, bytes, bytes]:
        """Exit code, stdout and stderr. Waits in slices, which the watchdog sees."""
        until = self._clock.seconds() + seconds
        pipe = subprocess.PIPE
        with inheritance.default_signals():
            process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=variables)
        with process:
            given: bytes | None = stdin
            try:
                while True:
                    self._clock.turned()
                    left = max(0.0, until - self._clock.seconds())
                    try:
                        out, err = process.communicate(given, min(left, SLICE))
                        return process.wait(), out, err
                    except subprocess.TimeoutExpired as error:
                        given = None  # communicate() takes the input once.
                        if left <= SLICE:
                            said = f"{argv[0]} took longer than {seconds:g} s"
                            raise CommandFailed(said) from error
            except BaseException:
                process.kill()
                raise


def _sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. Source: fsync(2)."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _scope(unit: str, properties: Sequence[str]) -> list[str]:
    """The words in front of a program that shall run in a scope."""
    known = [f"--property={each}" for each in properties]
    return ["systemd-run", "--scope", "--collect", "--quiet", f"--unit={unit}", *known, "--"]


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
