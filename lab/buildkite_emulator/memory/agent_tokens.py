"""The cluster's agent tokens and their limits.

Sources: buildkite/docs pages/agent/self_hosted/scoped_agent_tokens.md (permissions, queue access),
apis/rest_api/clusters/agent_tokens.md (expiry, allowed addresses). The permissions' names here are
assumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address, ip_network

from .tokens import new_id

ANYWHERE = ("0.0.0.0/0", "::/0")


class Permission(StrEnum):
    """What an agent token may allow."""

    RUN_JOBS = "run_jobs"
    """To register agents."""
    STACKS = "manage_stacks"
    """The Stacks API."""
    METRICS = "read_metrics"
    """The agents' metrics."""


@dataclass(frozen=True, slots=True)
class AgentToken:
    """An agent token without its value; by default it allows everything, for ever."""

    id: str = field(default_factory=new_id)
    permissions: frozenset[Permission] = frozenset(Permission)
    queues: frozenset[str] | None = None
    """Keys of the queues that the token may use; None for all, and an empty set for none."""
    addresses: tuple[str, ...] = ANYWHERE
    """CIDR blocks of callers."""
    expires: datetime | None = None

    def admits(self, address: str) -> bool:
        """True if a caller with this IP address may use the token."""
        return any(ip_address(address) in ip_network(block) for block in self.addresses)

    def serves(self, queue: str) -> bool:
        """True if the token has access to the queue with this key."""
        return self.queues is None or queue in self.queues

    def is_live(self, now: datetime) -> bool:
        """True before the token's expiry."""
        return self.expires is None or now < self.expires


def limited(
    former: AgentToken,
    *,
    permissions: Iterable[str] | None = None,
    queues: Iterable[str] | None = None,
    addresses: Iterable[str] | None = None,
    expires: datetime | None = None,
) -> AgentToken:
    """The token with these limits in place of all former ones; None limits nothing."""
    allowed = frozenset(Permission) if permissions is None else frozenset(permissions)
    return AgentToken(
        former.id,
        frozenset(map(Permission, allowed)),
        None if queues is None else frozenset(queues),
        ANYWHERE if addresses is None else tuple(addresses),
        expires,
    )
