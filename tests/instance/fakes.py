"""Fakes of an instance's clock, metadata service and AWS client."""

from __future__ import annotations

import select
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from mayfly_instance.aws import AwsError, Caller, Denied, Missing, Page, Parameter, Unavailable
from mayfly_instance.clock import Clock
from mayfly_instance.imds import ImdsAbsent, ImdsError
from mayfly_instance.role_session import RoleSession
from mayfly_instance.sigv4 import Credentials
from mayfly_protocol.rows import notice_row, start_row

START = datetime(2026, 11, 21, 8, tzinfo=UTC)
BOOT = "1d2c3b4a-0000-4000-8000-000000000001"
INSTANCE = "i-0abc"
REGION = "eu-west-1"


class FakeClock(Clock):
    """Time that passes only in `sleep`, which also runs the events that fall due."""

    def __init__(self) -> None:
        super().__init__()
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

    def of_a_thread(self) -> FakeClock:
        return self

    def wait(self, change: select.poll, seconds: float) -> None:
        self.sleep(seconds)

    def after(self, seconds: float, event: Callable[[], object]) -> None:
        self._events.append((self.passed + seconds, event))


def credentials(role: str, expires: datetime = START + timedelta(hours=6)) -> Credentials:
    return Credentials(
        access_key=f"ASIA-{role}",
        secret_key=f"secret-key-of-{role}-0123456789abcdef",
        token=f"session-token-of-{role}-0123456789abcdef",
        expires=expires,
    )


LIFE = timedelta(hours=6)
"""Life of the credentials that IMDS serves."""


class FakeMetadata:
    """IMDS: serves a profile, the credentials of its roles, and of `lingering` former roles.

    Credentials are replaced five minutes before their end, as EC2 documents.
    """

    host, port = "169.254.169.254", 80

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
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
        values = {
            "instance-id": INSTANCE,
            "instance-type": "m7i.large",
            "placement/region": REGION,
        }
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

    def serves_credentials(self, role: str) -> bool:
        self.requests.append(f"whether {role} is served")
        if self.broken or not self.open:
            raise ImdsError("no answer")
        return role in [*self.roles, *self.lingering]

    def credentials(self, role: str) -> Credentials:
        self.requests.append(f"credentials of {role}")
        if self.broken or not self.open:
            raise ImdsError("no answer")
        if role not in [*self.roles, *self.lingering]:
            raise ImdsAbsent(role)
        served = (self.clock.now() + timedelta(minutes=5) - START) // LIFE
        return credentials(role, START + (served + 1) * LIFE)


class FakeCloud:
    """AWS for the roles `bootstrap` and `sandbox`: only its owner may write a row.

    With a clock, expired credentials are refused.
    """

    region = REGION

    def __init__(self, clock: FakeClock | None = None) -> None:
        self.clock = clock
        self.parameters: dict[str, str] = {}
        self.secrets: dict[str, Parameter] = {}
        """Parameters that the sandbox role may read, by full name."""
        self.page = 10
        """Parameters on a page of `parameters_below`."""
        self.roles: dict[str, int] = {}
        """Roles of jobs that exist, by ARN, with the most seconds of a session."""
        self.sessions: list[RoleSession] = []
        """Sessions of such roles that began."""
        self.objects: dict[str, bytes] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.reports: list[tuple[str, dict[str, Any]]] = []
        self.refused: set[str] = set()
        self.denied: set[str] = set()
        """Names of parameters that no role may read."""
        self.gone = False
        self.throttled: set[str] = set()
        """Calls that AWS throttles."""
        self.asked: list[str] = []
        self.read: list[str] = []
        """Keys of the rows that were read."""
        self.on_report: Callable[[str], object] = lambda phase: None

    def caller(self, keys: Credentials) -> Caller:
        self._check("caller", keys)
        role = keys.access_key.removeprefix("ASIA-")
        arn = f"arn:aws:sts::123456789012:assumed-role/{role}/{INSTANCE}"
        return Caller(arn, f"AROA-{role}:{INSTANCE}")

    def assume_role(self, keys: Credentials, session: RoleSession) -> Credentials:
        """STS: every role that `roles` has may be assumed by the sandbox role, for its time."""
        self._check("assume_role", keys)
        if "sandbox" not in keys.access_key or session.arn not in self.roles:
            raise Denied(f"sts: 403 AccessDenied: no right to {session.arn}")
        if session.seconds > self.roles[session.arn]:
            raise AwsError("sts: 400 ValidationError: DurationSeconds exceeds MaxSessionDuration")
        self.sessions.append(session)
        now = START if self.clock is None else self.clock.now()
        name = f"{session.name}-{len(self.sessions)}"
        return credentials(name, now + timedelta(seconds=session.seconds))

    def parameter(self, keys: Credentials, name: str) -> str:
        self._check("parameter", keys)
        if name in self.denied:
            raise Denied("GetParameter")
        if name not in self.parameters:
            raise Missing(name)
        return self.parameters[name]

    def lay_down(self, name: str, value: str, kind: str = "SecureString") -> None:
        self.secrets[name] = Parameter(name, kind, value)

    def parameters_named(self, keys: Credentials, names: Sequence[str]) -> Sequence[Parameter]:
        self._check("parameters_named", keys)
        self._check_secrets(keys, *names)
        assert len(names) <= 10, "ValidationException"
        return [self.secrets[name] for name in names if name in self.secrets]

    def parameters_below(self, keys: Credentials, path: str, mark: str = "") -> Page:
        self._check("parameters_below", keys)
        self._check_secrets(keys, path)
        found = [self.secrets[name] for name in sorted(self.secrets) if name.startswith(f"{path}/")]
        first = int(mark or 0)
        after = first + self.page
        return Page(found[first:after], str(after) if after < len(found) else "")

    def _check_secrets(self, keys: Credentials, *names: str) -> None:
        if "sandbox" not in keys.access_key or self.denied & set(names):
            raise Denied("ssm: 400 AccessDeniedException: no right")

    def object(self, keys: Credentials, bucket: str, key: str, version: str = "") -> bytes:
        self._check("object", keys)
        name = f"{bucket}/{key}?{version}" if version else f"{bucket}/{key}"
        if name not in self.objects:
            raise Missing(key)
        return self.objects[name]

    def item(
        self, keys: Credentials, table: str, key: str, *, consistent: bool = False
    ) -> Mapping[str, Any] | None:
        self._check("item", keys)
        own = self.caller(keys).user_id
        if key not in (own, notice_row(own), start_row(own)) or "sandbox" not in key:
            raise Denied("GetItem")
        self.read.append(key)
        return self.rows.get(key)

    def set_attribute(
        self, keys: Credentials, table: str, key: str, name: str, value: Mapping[str, Any]
    ) -> None:
        self._check("set_attribute", keys)
        if self.caller(keys).user_id != key or name != "report" or table != "ci-mailbox":
            raise Denied("UpdateItem")
        self.rows.setdefault(key, {})[name] = value
        self.reports.append((key, dict(value)))
        self.on_report(value["phase"])

    def _check(self, call: str, keys: Credentials) -> None:
        self.asked.append(call)
        if self.gone:
            raise Unavailable("connection refused")
        if call in self.throttled:
            raise Unavailable(f"400 ThrottlingException: {call}")
        if self.clock is not None and keys.expires <= self.clock.now():
            raise Denied("ExpiredToken")
        if call in self.refused:
            raise Denied(f"AccessDenied: {call}")
