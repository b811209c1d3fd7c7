"""Who the emulator pretends to be, and its clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from .tokens import TokenKind, mint, new_id


@dataclass(frozen=True, slots=True)
class Timings:
    """Intervals that agents are told, in seconds, and limits that the server keeps."""

    ping_interval: int = 1
    heartbeat_interval: int = 10
    job_status_interval: int = 1
    lost_after: timedelta = timedelta(minutes=3)
    """Silence after which an agent is lost (buildkite/docs agent/lifecycle.md).

    Buildkite marks it within the minute that follows; the emulator does so at once.
    """
    expires_after: timedelta = timedelta(days=30)
    """Age at which a job that nobody ran expires (buildkite/docs build_timeouts.md)."""


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
    """The first one is the cluster's default queue."""
    agent_tokens: tuple[str, ...] = field(default_factory=lambda: (mint(TokenKind.AGENT),))
    api_tokens: tuple[str, ...] = field(default_factory=lambda: (mint(TokenKind.API),))
    timings: Timings = field(default_factory=Timings)
    organization_id: str = field(default_factory=new_id)
    cluster_id: str = field(default_factory=new_id)

    @property
    def default_queue(self) -> str:
        """Where jobs and agents go that name no queue."""
        return self.queues[0].key
