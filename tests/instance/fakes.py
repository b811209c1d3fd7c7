"""An instance in memory: its clock, its machine, its metadata service and its AWS."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mayfly_instance.aws import Caller, Denied, Missing, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.failure import CommandFailed
from mayfly_instance.imds import ImdsAbsent, ImdsError
from mayfly_instance.machine import Machine, Program
from mayfly_instance.places import Places
from mayfly_instance.proc import Process
from mayfly_instance.sigv4 import Credentials

START = datetime(2026, 11, 21, 8, tzinfo=UTC)
BOOT = "1d2c3b4a-0000-4000-8000-000000000001"
INSTANCE = "i-0abc"
REGION = "eu-west-1"


class FakeClock(Clock):
    """Time that passes only while somebody sleeps; events happen at their moment."""

    def __init__(self) -> None:
        self.passed = 0.0
        self._events: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)

    def seconds(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        until = self.passed + max(seconds, 0.001)
        while due := [event for event in self._events if event[0] <= until]:
            event = min(due, key=lambda each: each[0])
            self._events.remove(event)
            self.passed = max(self.passed, event[0])
            event[1]()
        self.passed = until
        assert self.passed < 30 * 24 * 3600, "the supervisor waits for ever"

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        self._events.append((self.passed + seconds, event))


def credentials(role: str, expires: datetime = START + timedelta(hours=6)) -> Credentials:
    return Credentials(
        access_key=f"ASIA-{role}",
        secret_key=f"secret-key-of-{role}-0123456789abcdef",
        token=f"session-token-of-{role}-0123456789abcdef",
        expires=expires,
    )


class FakeMetadata:
    """IMDS: serves a profile, the credentials of its role, and perhaps of a former one."""

    host, port = "169.254.169.254", 80

    def __init__(self) -> None:
        self.profile: str | None = None
        self.roles: list[str] = []
        self.lingering: list[str] = []
        self.spot: str | None = None
        self.broken = False
        self.open = True
        self.requests: list[str] = []

    def session(self) -> FakeMetadata:
        self.requests.append("token")
        if self.broken or not self.open:
            raise ImdsError("no answer")
        return self

    def get(self, path: str) -> str:
        self.requests.append(path)
        if self.broken or not self.open:
            raise ImdsError("no answer")
        values = {"instance-id": INSTANCE, "placement/region": REGION}
        if path == "iam/security-credentials/" and self.roles:
            return "\n".join(self.roles)
        if path not in values:
            raise ImdsAbsent(path)
        return values[path]

    def get_json(self, path: str) -> dict[str, str]:
        self.requests.append(path)
        if self.broken or not self.open:
            raise ImdsError("no answer")
        if path == "iam/info" and self.profile:
            return {"Code": "Success", "InstanceProfileArn": self.profile}
        if path == "spot/instance-action" and self.spot:
            return {"action": "terminate", "time": self.spot}
        raise ImdsAbsent(path)

    def credentials(self, role: str) -> Credentials:
        self.requests.append(f"credentials of {role}")
        if self.broken or not self.open:
            raise ImdsError("no answer")
        if role not in [*self.roles, *self.lingering]:
            raise ImdsAbsent(role)
        return credentials(role)


class FakeCloud:
    """AWS, for the roles `bootstrap` and `sandbox`: a row may be written by its owner alone."""

    region = REGION

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}
        self.objects: dict[str, bytes] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.reports: list[tuple[str, dict[str, Any]]] = []
        self.refused: set[str] = set()
        self.gone = False
        self.on_report: Callable[[str], object] = lambda phase: None

    def caller(self, keys: Credentials) -> Caller:
        self._check("caller")
        role = keys.access_key.removeprefix("ASIA-")
        arn = f"arn:aws:sts::123456789012:assumed-role/{role}/{INSTANCE}"
        return Caller(arn, f"AROA-{role}:{INSTANCE}")

    def parameter(self, keys: Credentials, name: str) -> str:
        self._check("parameter")
        if name not in self.parameters:
            raise Missing(name)
        return self.parameters[name]

    def object(self, keys: Credentials, bucket: str, key: str) -> bytes:
        self._check("object")
        if f"{bucket}/{key}" not in self.objects:
            raise Missing(key)
        return self.objects[f"{bucket}/{key}"]

    def item(self, keys: Credentials, table: str, key: str) -> Mapping[str, Any] | None:
        self._check("item")
        if self.caller(keys).user_id != key or "sandbox" not in key:
            raise Denied("GetItem")
        return self.rows.get(key)

    def set_attribute(
        self, keys: Credentials, table: str, key: str, name: str, value: Mapping[str, Any]
    ) -> None:
        self._check("set_attribute")
        if self.caller(keys).user_id != key or name != "report" or table != "ci-mailbox":
            raise Denied("UpdateItem")
        self.rows.setdefault(key, {})[name] = value
        self.reports.append((key, dict(value)))
        self.on_report(value["phase"])

    def _check(self, call: str) -> None:
        if self.gone:
            raise Unavailable("connection refused")
        if call in self.refused:
            raise Denied(f"AccessDenied: {call}")


@dataclass
class FakeProgram:
    """A started program: it ends at its time, or some seconds after a SIGQUIT."""

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
    """How a program that will be started behaves."""

    code: int = 0
    lasts: float = 1
    says: str = ""
    quits_in: float | None = 3
    does: Callable[[Program], object] = lambda program: None


def a_process(pid: int, name: str = "sleep", parent: int = 1, **other: Any) -> Process:
    fields = {"started": 100, "state": "S", "uid": 0, "kernel": False, "cgroup": "/"} | other
    return Process(pid=pid, parent=parent, name=name, **fields)


class FakeMachine(Machine):
    """A machine whose files lie below a temporary root and whose commands are only written down."""

    def __init__(self, root: Path, clock: FakeClock, metadata: FakeMetadata) -> None:
        super().__init__(Places(root))
        self.clock = clock
        self.metadata = metadata
        self.boot = BOOT
        self.commands: list[list[str]] = []
        self.failing: dict[str, str] = {}
        self.programs = {"git", "nft", "buildkite-agent"}
        self.installable = {"git": "git", "nftables": "nft"}
        self.agent_version = "3.83.1"
        self.agent_help = "--acquire-job"
        self.table: list[Process] = [a_process(1, "systemd"), a_process(50, "cloud-init")]
        self.acts: dict[str, Act] = {}
        self.started: list[FakeProgram] = []
        self.downloads: dict[str, bytes] = {}
        self.rules = ""
        self.rules_work = True

    def boot_id(self) -> str:
        return self.boot

    def architecture(self) -> str:
        return "amd64"

    def processes(self) -> list[Process]:
        return list(self.table)

    def find(self, program: str) -> Path | None:
        installed = self.places.binaries / program
        if installed.exists():
            return installed
        return Path("/usr/bin", program) if program in self.programs else None

    def ask(self, argv: Sequence[str], seconds: float = 10) -> str:
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
        if host != self.metadata.host:
            return False
        rooted = user == "root" and "skuid 0 accept" in self.rules
        return rooted or not (self.rules_work and "reject" in self.rules)

    def download(self, url: str, target: Path) -> None:
        super().download(url, target)
        if url not in self.downloads:
            raise CommandFailed("curl --silent exited with 22", "404")
        target.write_bytes(self.downloads[url])

    def install(self, packages: Sequence[str]) -> None:
        super().install(packages)
        self.programs |= {self.installable[each] for each in packages if each in self.installable}

    def _own(self, path: Path, owner: str) -> None:
        self.commands.append(["chown", owner, str(path)])

    def _command(self, argv: Sequence[str], seconds: float, stdin: str = "") -> str:
        self.commands.append(list(argv))
        for beginning, words in self.failing.items():
            if " ".join(argv).startswith(beginning):
                raise CommandFailed(f"{argv[0]} exited with 1", words)
        return ""

    def ran(self, beginning: str) -> bool:
        return any(" ".join(argv).startswith(beginning) for argv in self.commands)
