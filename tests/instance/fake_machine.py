"""A fake machine: files below a temporary root, commands recorded instead of run."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mayfly_instance.failure import CommandFailed
from mayfly_instance.machine import Machine, Program, Variables
from mayfly_instance.places import Places
from mayfly_instance.proc import Process
from tests.instance.fakes import BOOT, FakeClock, FakeMetadata


@dataclass
class FakeProgram:
    """A started program that ends at its planned time, or `quits_in` seconds after a SIGQUIT."""

    clock: FakeClock
    program: Program
    code: int
    ends: float
    quits_in: float | None = 3
    pid: int = 4242
    signals: list[int] = field(default_factory=list)

    def poll(self) -> int | None:
        return self.code if self.clock.passed >= self.ends else None

    def send_signal(self, number: int) -> None:
        self.signals.append(number)
        if number == signal.SIGQUIT and self.quits_in is not None:
            self.ends = min(self.ends, self.clock.passed + self.quits_in)


@dataclass
class Act:
    """The behaviour of a program that will be started."""

    code: int = 0
    lasts: float = 1
    says: str = ""
    quits_in: float | None = 3
    does: Callable[[Program], object] = lambda program: None


def a_process(pid: int, name: str = "sleep", parent: int = 1, **other: Any) -> Process:
    fields: dict[str, Any] = {
        "started": 100,
        "state": "S",
        "uid": 0,
        "kernel": False,
        "cgroup": "/",
    } | other
    return Process(pid=pid, parent=parent, name=name, **fields)


class FakeMachine(Machine):
    """Keeps files below a temporary root and records commands instead of running them."""

    def __init__(self, root: Path, clock: FakeClock, metadata: FakeMetadata) -> None:
        super().__init__(Places(root))
        self.clock = clock
        self.metadata = metadata
        self.boot = BOOT
        self.broken = False
        self.commands: list[list[str]] = []
        self.inputs: list[str] = []
        """Standard input of each command."""
        self.failing: dict[str, str] = {}
        self.on_command: dict[str, Callable[[], object]] = {}
        self.programs = {"git", "nft", "buildkite-agent"}
        self.installable = {"git": "git", "nftables": "nft"}
        self.agent_version = "3.83.1"
        self.agent_help = "   --acquire-job value\n   --no-plugins  Do not run plugins"
        self.table: list[Process] = [a_process(1, "systemd"), a_process(50, "cloud-init")]
        self.acts: dict[str, Act] = {}
        self.started: list[FakeProgram] = []
        self.downloads: dict[str, bytes] = {}
        self.download_error = "curl: (22) The requested URL returned error: 404"
        self.rules = ""
        self.rules_work = True
        self.rules_of_others = ""
        self.cannot_fork = False
        self.memory_events = ""
        self.unknown_properties: set[str] = set()

    def boot_id(self) -> str:
        return self.boot

    def boot_again(self, boot: str) -> None:
        """Go off and on: what is in memory is lost, what is on the disk stays."""
        self.boot = boot
        shutil.rmtree(self.places.root / "run", ignore_errors=True)
        shutil.rmtree(self.places.cgroups, ignore_errors=True)
        self.rules = ""
        self.commands.clear()
        self.started.clear()

    def architecture(self) -> str:
        return "amd64"

    def processes(self) -> list[Process]:
        if self.broken:
            raise ZeroDivisionError("a bug")
        return list(self.table)

    def try_scope(self, unit: str, properties: Sequence[str]) -> None:
        super().try_scope(unit, properties)
        for name in [each.partition("=")[0] for each in properties]:
            if name in self.unknown_properties:
                words = f"Unknown assignment: {name}=\n"
                raise CommandFailed("systemd-run --scope exited with 1", words)

    def cgroup(self, pid: int) -> Path | None:
        """The cgroup of every program; it has memory.events while the test sets some."""
        scope = self.places.cgroups / "system.slice/mayfly-job.scope"
        scope.mkdir(parents=True, exist_ok=True)
        if self.memory_events:
            (scope / "memory.events").write_text(self.memory_events)
        return scope if pid == self.started[-1].pid else None

    def find(self, program: str) -> Path | None:
        installed = self.places.binaries / program
        if installed.exists():
            return installed
        return Path("/usr/bin", program) if program in self.programs else None

    def uid_of(self, user: str) -> int:
        return 0 if user == "root" else 995

    def output_of(self, argv: Sequence[str], seconds: float = 10) -> str:
        if argv[1] == "--version":
            mine = self.places.binaries / "buildkite-agent"
            version = mine.read_text() if argv[0] == str(mine) else self.agent_version
            return f"buildkite-agent version {version}+x.1234\n"
        return self.agent_help

    def start(self, program: Program) -> FakeProgram:
        act = self.acts.get(program.unit, Act())
        self.commands.append(["start", program.unit, *program.argv])
        ends = self.clock.passed + act.lasts
        started = FakeProgram(self.clock, program, act.code, ends, act.quits_in)
        self.started.append(started)
        program.output.write_text(act.says)
        act.does(program)
        return started

    def set_rules(self, rules: str) -> None:
        super().set_rules(rules)
        self.rules = rules

    def reaches(self, host: str, port: int, user: str, seconds: float = 1) -> bool:
        if self.cannot_fork:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        if host != self.metadata.host:
            return False
        rooted = user == "root" and "skuid 0 accept" in self.rules + self.rules_of_others
        return rooted or not (self.rules_work and "reject" in self.rules)

    def listens(self, path: Path) -> bool:
        return path.exists()

    def download(self, url: str, target: Path) -> None:
        super().download(url, target)
        if url not in self.downloads:
            raise CommandFailed("curl --silent exited with 22", self.download_error)
        target.write_bytes(self.downloads[url])

    def install(self, packages: Sequence[str]) -> None:
        super().install(packages)
        self.programs |= {self.installable[each] for each in packages if each in self.installable}
        if "openssh-clients" in packages and "openssh-clients" in self.installable:
            self.programs |= {"ssh", "ssh-agent", "ssh-add"}

    def _own(self, path: Path, owner: str) -> None:
        self.commands.append(["chown", owner, str(path)])

    def _command(
        self, argv: Sequence[str], seconds: float, stdin: str = "", variables: Variables = None
    ) -> str:
        self.commands.append(list(argv))
        self.inputs.append(stdin)
        line = " ".join(argv)
        for happens in [
            each for beginning, each in self.on_command.items() if line.startswith(beginning)
        ]:
            happens()
        for words in [
            each for beginning, each in self.failing.items() if line.startswith(beginning)
        ]:
            raise CommandFailed(f"{argv[0]} exited with 1", words)
        return ""

    def ran(self, beginning: str) -> bool:
        return any(" ".join(argv).startswith(beginning) for argv in self.commands)
