"""What a job is given besides its machine: secrets, the role for AWS, and how its git finds hosts.

`dispatch` decides from Buildkite's facts and the queue's configuration, and writes grants into the
assignment. The host's supervisor carries them out before it starts the agent, and no secret is in
an assignment: the host reads secrets from Parameter Store, and credentials from STS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mayfly_protocol.job_facts import JobFacts


@dataclass(frozen=True)
class Secrets:
    """Where the queue's secrets lie in Parameter Store."""

    path: str
    """Folder of the queue, without a slash at the end: `/vendors/buildkite/deploy`."""
    shared_ssh_keys: tuple[str, ...] = ()
    """Full names of parameters with ssh keys that every pipeline of the queue may use."""
    ssh_during_command: bool = False
    """Whether the repository's key also serves the job's command, not its checkout alone."""


@dataclass(frozen=True)
class SshHosts:
    """How ssh finds and knows git hosts."""

    known_hosts: str = ""
    """Lines of known_hosts(5); empty: the queue's operators lay them down elsewhere."""
    over_443: tuple[str, ...] = ()
    """Hosts that ssh reaches by port 443 of the provider's other address."""


@dataclass(frozen=True)
class Role:
    """The role that the job's credentials have."""

    arn: str
    seconds: int
    """Life of a session. AWS allows a chained role at most an hour (IAM user guide, "Role
    chaining")."""


@dataclass(frozen=True)
class Grants:
    """What the job of an assignment is given."""

    facts: JobFacts
    secrets: Secrets | None = None
    """None: the queue has no secrets."""
    ssh: SshHosts = SshHosts()
    role: Role | None = None
    """None: the job has no credentials for AWS."""
    no_role: str = ""
    """Why there is no role although the queue has roles, in one line for the job's log; else
    empty."""

    def to_row(self) -> dict[str, object]:
        """The grants as plain values, which `parse` reads."""
        secrets, role = self.secrets, self.role
        return {
            "facts": self.facts.to_row(),
            "secrets": None
            if secrets is None
            else {**vars(secrets), "shared_ssh_keys": list(secrets.shared_ssh_keys)},
            "ssh": {**vars(self.ssh), "over_443": list(self.ssh.over_443)},
            "role": None if role is None else dict(vars(role)),
            "no_role": self.no_role,
        }


def parse(found: object) -> Grants:
    """The grants from plain values. Raises ValueError for any other value."""
    names = {"facts", "secrets", "ssh", "role", "no_role"}
    if not isinstance(found, Mapping) or not names <= set(found):
        raise ValueError("the grants are not readable")
    secrets, ssh, role = found["secrets"], found["ssh"], found["role"]
    return Grants(
        facts=JobFacts.parse(found["facts"]),
        secrets=None if secrets is None else _secrets(secrets),
        ssh=SshHosts(_text(ssh, "known_hosts"), _texts(ssh, "over_443")),
        role=None if role is None else Role(_text(role, "arn"), _seconds(role)),
        no_role=_text(found, "no_role"),
    )


def _secrets(found: Any) -> Secrets:
    during = found.get("ssh_during_command") if isinstance(found, Mapping) else None
    if not isinstance(during, bool):
        raise ValueError("the grants say nothing readable about secrets")  # noqa: TRY004 - one error for all
    return Secrets(_text(found, "path"), _texts(found, "shared_ssh_keys"), during)


def _text(found: Any, name: str) -> str:
    value = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"the grants have no {name}")
    return value


def _texts(found: Any, name: str) -> tuple[str, ...]:
    value = found.get(name) if isinstance(found, Mapping) else None
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        raise ValueError(f"the grants have no {name}")  # noqa: TRY004 - one error for all
    if not all(isinstance(each, str) and "\0" not in each for each in value):
        raise ValueError(f"the grants have no readable {name}")
    return tuple(value)


def _seconds(role: Any) -> int:
    value = role.get("seconds")
    if not isinstance(value, int) or isinstance(value, bool) or not 900 <= value <= 3600:
        raise ValueError("the role's session has no seconds from 900 to 3600")
    return value
