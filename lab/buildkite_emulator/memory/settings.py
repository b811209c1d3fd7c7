"""The emulated organisation, and the intervals and limits of its server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from .tokens import TokenKind, mint, new_id


@dataclass(frozen=True, slots=True)
class Timings:
    """Intervals for agents, in seconds, and limits of the server."""

    ping_interval: int = 1
    heartbeat_interval: int = 10
    job_status_interval: int = 1
    lost_after: timedelta = timedelta(minutes=3)
    """Silence after which an agent is lost (buildkite/docs agent/lifecycle.md).

    Buildkite marks the agent within the following minute; the emulator does so at once.
    """
    expires_after: timedelta = timedelta(days=30)
    """Age at which a job that never ran expires (buildkite/docs build_timeouts.md)."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One self-hosted queue of the cluster."""

    key: str
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Settings:
    """One organisation with one cluster."""

    organization: str = "example"
    cluster: str = "lab"
    queues: tuple[Queue, ...] = (Queue("default"),)
    """The first queue is the cluster's default queue."""
    agent_tokens: tuple[str, ...] = field(default_factory=lambda: (mint(TokenKind.AGENT),))
    api_tokens: tuple[str, ...] = field(default_factory=lambda: (mint(TokenKind.API),))
    timings: Timings = field(default_factory=Timings)
    organization_id: str = field(default_factory=new_id)
    cluster_id: str = field(default_factory=new_id)
    mirrors: dict[str, str] = field(default_factory=dict)
    """By clone URL of a pipeline: the clone URL that its jobs get instead."""

    @property
    def default_queue(self) -> str:
        """The key of the queue for jobs and agents that name none."""
        return self.queues[0].key
