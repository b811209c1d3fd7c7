"""What the template tells a host: one JSON object in user data, without a secret."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from mayfly_instance.failure import HostFailure
from mayfly_protocol import PROTOCOL

_TEXTS = (
    "stack",
    "queue",
    "mailbox",
    "script_parameter",
    "keep_parameter",
    "bootstrap_profile",
    "sandbox_profile",
    "bootstrap_role",
    "sandbox_role",
    "agent_version",
    "agent_url",
)


@dataclass(frozen=True)
class Host:
    """The JSON of user data, checked. Profiles and roles are full ARNs.

    User data itself also reads `bundle_parameter`. `agent_url` may hold `{version}` and `{arch}`
    (amd64, arm64); `agent_sha256` has one digest for each architecture.
    """

    stack: str
    queue: str
    mailbox: str
    script_parameter: str
    keep_parameter: str
    bootstrap_profile: str
    sandbox_profile: str
    bootstrap_role: str
    sandbox_role: str
    agent_version: str
    agent_url: str
    agent_sha256: Mapping[str, str]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn`, …: part of every ARN."""
        return self.sandbox_role.split(":")[1]


def parse(text: str) -> Host:
    """The host's own JSON. Raises HostFailure when it is not what this supervisor knows."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise HostFailure(f"host.json is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("protocol") != PROTOCOL:
        raise HostFailure(f"host.json is not of protocol {PROTOCOL}")
    lacks = [name for name in _TEXTS if not isinstance(found.get(name), str)]
    digests = found.get("agent_sha256")
    if not isinstance(digests, dict) or not all(isinstance(each, str) for each in digests.values()):
        lacks.append("agent_sha256")
        digests = {}
    if lacks:
        raise HostFailure(f"host.json lacks {', '.join(lacks)}")
    host = Host(agent_sha256=digests, **{name: str(found[name]) for name in _TEXTS})
    if not host.sandbox_role.startswith("arn:") or host.sandbox_role == host.bootstrap_role:
        raise HostFailure("host.json must name two different roles by their ARNs")
    return host


def role_name(role: str) -> str:
    """The name of the role with this ARN: IMDS and STS know it without its path."""
    return role.rpartition("/")[2]
