"""The host's settings from the template: one JSON object in user data, without secrets."""

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
    """The checked JSON of user data. Profiles and roles are full ARNs.

    The user data script also reads `bundle_parameter`. `agent_url` may contain `{version}` and
    `{arch}` (amd64, arm64); `agent_sha256` has one digest per architecture.
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
        """The partition in this stack's ARNs, such as `aws` or `aws-cn`."""
        return self.sandbox_role.split(":")[1]


def parse(text: str) -> Host:
    """The settings in host.json. Raises HostFailure for another protocol or missing fields."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise HostFailure(f"host.json is not JSON: {error}") from error
    if not isinstance(found, dict) or found.get("protocol") != PROTOCOL:
        raise HostFailure(f"host.json does not have protocol {PROTOCOL}")
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
    """The role's name out of its ARN, without the path: the form that IMDS and STS use."""
    return role.rpartition("/")[2]
