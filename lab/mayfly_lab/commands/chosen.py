"""What a person chose on the command line, read and checked one by one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mayfly_lab.faults import Wish
from mayfly_lab.latency import Latency


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the lab is to be like."""

    queues: tuple[str, ...]
    """As given; empty for the default."""
    hot: int
    """Machines that are kept ready, of each queue."""
    parameters: tuple[tuple[str, str, str], ...]
    """Queue, name and value of operators' parameters."""
    agent: str | None
    """The agent's program or `stand-in`; None for what is on PATH."""
    latency: Latency
    faults: tuple[Wish, ...]
    json: Path | None
    """The file that the report, or what is printed, is also written to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoices(World):
    """Besides: the build of `mayfly-lab run`."""

    pipeline: Path
    repo: Path | None
    branch: str | None
    env: tuple[tuple[str, str], ...]
    unblock: bool
    timeout: float
    """Seconds until the build is cancelled."""
    logs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpChoices(World):
    """Besides: where `mayfly-lab up` listens; 0 for any free port."""

    port_aws: int
    port_buildkite: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchChoices:
    """How many jobs `mayfly-lab bench` measures, and where."""

    jobs: int
    pool: int
    """Machines that are hot at once."""
    every: float
    """Seconds from one job to the next."""
    agent: str | None
    """The agent's program or `stand-in`; None for what is on PATH."""
    latency: Latency
    json: Path | None
    """The file that the figures are also written to."""
