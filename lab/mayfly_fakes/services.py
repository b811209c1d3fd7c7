"""The small ports in memory: parameters, nudges, last words, roles."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from mayfly.answers import Parameter, ParameterVersion, Policy, Role
from mayfly.errors import NotFound
from mayfly_fakes.faults import Faults
from mayfly_protocol.moments import EARLIEST

EC2_ALONE = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": "ec2.amazonaws.com"},
}
"""The only statement of the trust policies in stacks/queue.yaml."""
HARMLESS = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}


class FakeParameters(Faults):
    """Implements `mayfly.ports.Parameters`."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, Parameter] = {}
        self._versions: dict[str, list[ParameterVersion]] = {}

    def put(
        self,
        name: str,
        value: str,
        at: datetime | None = None,
        who: str = "",
        *,
        kind: str = "String",
    ) -> None:
        """Write a parameter as an operator does. The text of a SecureString is never shown."""
        old = self.stored.get(name)
        number = old.version + 1 if old else 1
        shown = value if kind != "SecureString" else "ciphertext"
        self.stored[name] = Parameter(shown, number, at, kind)
        made = ParameterVersion(number, value, at or EARLIEST, who)
        self._versions.setdefault(name, []).append(made)

    def remove(self, name: str) -> None:
        """Delete a parameter as an operator does."""
        del self.stored[name]
        self._versions.pop(name, None)

    def history(self, name: str) -> Sequence[ParameterVersion]:
        """See `mayfly.ports.Parameters`."""
        with self._call("history"):
            if name not in self.stored:
                raise NotFound(name)
            return self._versions.get(name, [])[-100:]

    def under(self, path: str) -> Mapping[str, Parameter]:
        """See `mayfly.ports.Parameters`."""
        with self._call("under"):
            root = path.rstrip("/") + "/"
            return {name: kept for name, kept in self.stored.items() if name.startswith(root)}

    def values(self, names: Collection[str]) -> Mapping[str, Parameter | None]:
        """See `mayfly.ports.Parameters`."""
        with self._call("values"):
            return {name: self.stored.get(name) for name in names}


class FakeNudges(Faults):
    """Implements `mayfly.ports.Nudges`; `sent` has the reasons, `delays` the time of each."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.delays: list[timedelta] = []

    def send(self, reason: str, after: timedelta = timedelta(0)) -> None:
        """See `mayfly.ports.Nudges`."""
        with self._call("send"):
            self.sent.append(reason)
            self.delays.append(after)


class FakeLastWords(Faults):
    """Implements `mayfly.ports.LastWords`; `kept` has the texts of each stream."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[tuple[datetime, str]]] = {}

    def keep(self, stream: str, text: str, at: datetime) -> None:
        """See `mayfly.ports.LastWords`."""
        with self._call("keep"):
            self.kept.setdefault(stream, []).append((at, text))


class FakeRoles(Faults):
    """Implements `mayfly.ports.Roles`.

    `attached` has the policies of each role. Without an entry in `roles`, a role trusts EC2, and
    its policies allow one harmless action.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attached: dict[str, frozenset[str]] = {}
        self.roles: dict[str, Role] = {}
        self.ids: dict[str, str] = {}

    def policies(self, role_arn: str) -> frozenset[str]:
        """See `mayfly.ports.Roles`."""
        with self._call("policies"):
            if role_arn not in self.attached:
                raise NotFound(role_arn)
            return self.attached[role_arn]

    def role(self, role_arn: str) -> Role:
        """See `mayfly.ports.Roles`."""
        with self._call("role"):
            if role_arn not in self.attached:
                raise NotFound(role_arn)
            if role_arn in self.roles:
                return self.roles[role_arn]
            policies = tuple(Policy(arn, (HARMLESS,)) for arn in sorted(self.attached[role_arn]))
            return Role(role_arn, self.ids.get(role_arn, "AROAFAKE"), (EC2_ALONE,), policies)


class FakePriceList(Faults):
    """Implements `mayfly.ports.PriceList`; what has no entry has no price."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: dict[str, str] = {}
        """List price by instance type."""
        self.pools: dict[str, str] = {}
        """Spot price by `zone/type`."""
        self.gib = ""
        """List price of a GiB of gp3 storage for a month."""

    def volume(self) -> str:
        """See `mayfly.ports.PriceList`."""
        with self._call("volume"):
            return self.gib

    def on_demand(self, instance_type: str) -> str:
        """See `mayfly.ports.PriceList`."""
        with self._call("on_demand"):
            return self.listed.get(instance_type, "")

    def spot(self, instance_types: Sequence[str]) -> Mapping[str, str]:
        """See `mayfly.ports.PriceList`."""
        with self._call("spot"):
            wanted = set(instance_types)
            return {p: usd for p, usd in self.pools.items() if p.partition("/")[2] in wanted}
